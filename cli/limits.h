// Limits: what the brokers of two sites allow their clients, compared: what one of them takes and
// the other refuses fails after a move, at an hour when nobody thinks of it. Pure; made from
// answers to DescribeConfigs.
#pragma once

#include <map>
#include <string>

#include "kafka/gen/describe_configs.h"
#include "views/readiness.h"

namespace isthmus::cli {

using views::Finding;
using views::Verdict;

// By Kafka's name; only those that are compared.
using Limits = std::map<std::string, int64_t>;
Limits limits_in(const kafka::DescribeConfigsResponse& broker);

struct LimitsOf {
  std::string site;
  Limits limits;
};
// A warning where the target is narrower than the source. A limit that one of them does not tell is
// not compared.
Finding judge_limits(const LimitsOf& source, const LimitsOf& target);

}  // namespace isthmus::cli
