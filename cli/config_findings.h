// What `config check` finds beside what would stop a start: when certificates end, which files with
// secrets others may read, which lines they may listen to, and whom other brokers refuse. Pure.
#pragma once

#include <chrono>
#include <vector>

#include "process/tls_store.h"
#include "views/readiness.h"

namespace isthmus::cli {

using views::Finding;
using views::Verdict;

std::vector<Finding> judge_certificates(const std::vector<process::CertificateEnd>& certificates,
                                        process::TlsStore::Time now);
std::vector<Finding> judge_secrets(const std::vector<process::Problem>& exposed);
std::vector<Finding> judge_lines(const std::vector<process::Problem>& exposed);
Finding judge_refusal(const process::Problem& refusal);

}  // namespace isthmus::cli
