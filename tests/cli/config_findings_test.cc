// What `config check` says of certificates and of files with secrets.
#include "cli/config_findings.h"

#include <gtest/gtest.h>

#include "process/zookeeper_config.h"

namespace isthmus::cli {
namespace {

using std::chrono::days;

TEST(ConfigFindings, a_certificate_is_well_near_its_end_or_past_it) {
  const process::TlsStore::Time now{std::chrono::seconds(1'800'000'000)};  // 2027-01-15
  const auto findings = judge_certificates({{"tls.a.certificate", "/a.crt", now + days(31)},
                                            {"tls.b.certificate", "/b.crt", now + days(30)},
                                            {"tls.b.ca", "/ca.crt", now}},
                                           now);
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].verdict, Verdict::ok);
  EXPECT_EQ(findings[0].text, "tls.a.certificate: ends in 31 days, on 2027-02-15");
  EXPECT_EQ(findings[0].next, "");
  EXPECT_EQ(findings[1].verdict, Verdict::warn);
  EXPECT_EQ(findings[1].next, "renew /b.crt");
  EXPECT_EQ(findings[2].verdict, Verdict::stop);
  EXPECT_EQ(findings[2].text, "tls.b.ca: has expired on 2027-01-15");
  EXPECT_EQ(findings[2].next, "put a new one into /ca.crt");
}

TEST(ConfigFindings, a_secret_that_others_may_read_is_a_warning) {
  const auto findings = judge_secrets({{"tls.a.key.file", "/a.key is open"}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].verdict, Verdict::warn);
  EXPECT_EQ(findings[0].text, "tls.a.key.file: /a.key is open");
}

TEST(ConfigFindings, a_zookeeper_beyond_this_machine_is_a_warning_each) {
  process::ZookeeperConfig config;
  config.connect.servers = {{"127.0.0.1", 2181}, {"zk1", 2181}, {"::1", 2181}, {"10.0.0.1", 2182}};
  const auto findings = judge_lines(process::exposed_lines(config, "broker.metadata"));
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].verdict, Verdict::warn);
  EXPECT_TRUE(findings[0].text.starts_with("broker.metadata.zookeeper.connect: zk1:2181 is not"))
      << findings[0].text;
  EXPECT_NE(findings[1].text.find("10.0.0.1:2182"), std::string::npos);
  EXPECT_NE(findings[0].next.find("tunnel"), std::string::npos);
}

TEST(ConfigFindings, a_broker_that_the_others_would_refuse_is_a_warning) {
  const auto finding = judge_refusal({"broker.super.users", "does not name User:a"});
  EXPECT_EQ(finding.verdict, Verdict::warn);
  EXPECT_EQ(finding.text, "broker.super.users: does not name User:a");
  EXPECT_NE(finding.next.find("super.users"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::cli
