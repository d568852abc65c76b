// What a cluster of three brokers says of itself, whichever of them is asked.
#include "broker/link/site_views.h"

#include "kafka/gen/describe_site.h"
#include "kafka/gen/durable_ends.h"
#include "tests/broker/replication/cluster_world.h"

namespace isthmus::broker {
namespace {

using std::chrono::seconds;

class SiteViewsTest : public ClusterWorld {
 protected:
  void SetUp() override {
    topic_ = create("orders", 3);
    start_all();
    for (PartitionIndex p = 0; p < 3; ++p) {
      for (int i = 0; i <= p; ++i) {
        EXPECT_EQ(produce(recorded("orders", p).leader, "orders", "v", p)
                      .responses.at(0)
                      .partition_responses.at(0)
                      .error_code,
                  ErrorCode::none);
      }
    }
  }
  kafka::DescribeSiteResponse describe(NodeId asked) {
    kafka::DescribeSiteRequest request;
    request.include_topics = true;
    return ask(asked, std::move(request), 9093);
  }
  kafka::DurableEndsResponse::EndsTopic ends(NodeId asked) {
    kafka::DurableEndsRequest request;
    request.topic_ids = {topic_};
    return ask(asked, std::move(request), 9093).topics.at(0);
  }
  static std::vector<Offset> ends_in(const kafka::DescribeSiteResponse& site) {
    std::vector<Offset> ends;
    for (const auto& p : site.topics.at(0).partitions) ends.push_back(p.end_offset);
    return ends;
  }

  using ErrorCode = kafka::ErrorCode;
  Uuid topic_;
};

TEST_F(SiteViewsTest, WhoeverIsAskedAnswersForAll) {
  for (NodeId asked : {a, b, c}) {
    const auto site = describe(asked);
    EXPECT_EQ(ends_in(site), (std::vector<Offset>{1, 2, 3})) << asked;
    EXPECT_TRUE(site.silent.empty());
    const auto told = ends(asked);
    for (PartitionIndex p = 0; p < 3; ++p) {
      EXPECT_EQ(told.partitions.at(p).end_offset, p + 1);
      EXPECT_EQ(told.partitions.at(p).durable_end, p + 1) << "acknowledged by all";
      EXPECT_EQ(told.partitions.at(p).offline, "");
    }
  }
}

TEST_F(SiteViewsTest, WhoDoesNotAnswerIsNamedAndTheOthersAreTold) {
  hosts[b]->crash();
  members.erase(b);
  const auto site = describe(a);
  EXPECT_EQ(ends_in(site), (std::vector<Offset>{1, -1, 3}));
  ASSERT_EQ(site.silent.size(), 1u);
  EXPECT_EQ(site.silent[0].node_id, b);
  EXPECT_TRUE(site.silent[0].reason.starts_with("broker 2: ")) << site.silent[0].reason;
  EXPECT_EQ(site.topics.at(0).partitions.at(1).offline, site.silent[0].reason);
  EXPECT_EQ(ends(c).partitions.at(1).end_offset, -1);
}

TEST_F(SiteViewsTest, WhoLeadsNextTellsIt) {
  dies(b);
  ASSERT_NE(recorded("orders", 1).leader, b);
  EXPECT_TRUE(eventually([&] { return ends_in(describe(a)).at(1) == 2; }));
  EXPECT_TRUE(describe(c).silent.empty()) << "who leads nothing is not asked";
}

}  // namespace
}  // namespace isthmus::broker
