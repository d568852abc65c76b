// UnreleasedGroups: groups that are still a link's although it has been promoted here. The broker
// ended between the record and the groups, or the disk would not take what they begin with. A
// promotion goes forward only, so they follow it by themselves, round by round, until none is left.
//
// Owned by Broker, on the main loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/controller/controller.h"

namespace isthmus::broker {

class Coordinator;

class UnreleasedGroups {
 public:
  UnreleasedGroups(io::Loop& loop, Controller& controller, Coordinator& groups)
      : loop_(loop), controller_(controller), groups_(groups) {}

  // Looks every few seconds until `stop` is closed.
  io::Task<void> keep_releasing(io::Event& stop);

 private:
  io::Task<void> release();

  io::Loop& loop_;
  Controller& controller_;
  Coordinator& groups_;
  Logger log_{LogComponent::switchover};
  std::shared_ptr<const Image> settled_;  // in which there are none
};

// By link. Pure.
std::map<std::string, std::vector<std::string>> unreleased_groups(const Image& image);

}  // namespace isthmus::broker
