#include "tests/broker/group/trace.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "broker/group/group.h"

namespace isthmus::broker {

namespace {

using kafka::ErrorCode;

ErrorCode error_of(const std::string& name) {
  for (int code = -1; code < 140; ++code) {
    if (kafka::error_name(static_cast<ErrorCode>(code)) == name)
      return static_cast<ErrorCode>(code);
  }
  throw std::runtime_error("no such error: " + name);
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

struct Command {
  std::string verb;
  std::string name;  // the first word without '='
  std::map<std::string, std::string> options;

  explicit Command(const std::string& line) {
    std::istringstream in(line);
    in >> verb;
    for (std::string word; in >> word;) {
      const size_t at = word.find('=');
      if (at == std::string::npos) {
        name = word;
      } else {
        options[word.substr(0, at)] = word.substr(at + 1);
      }
    }
  }
  std::string text(const std::string& key, std::string otherwise = "") const {
    const auto it = options.find(key);
    return it == options.end() ? otherwise : it->second;
  }
  int32_t number(const std::string& key, int32_t otherwise) const {
    const auto it = options.find(key);
    return it == options.end() ? otherwise : std::stoi(it->second);
  }
  std::optional<std::string> instance() const {
    const auto it = options.find("instance");
    return it == options.end() ? std::nullopt : std::optional(it->second);
  }
};

// A consumer's subscription (version 0) to "topic+topic".
Slice subscription(const std::string& topics) {
  kafka::Writer writer;
  const auto names = split(topics, '+');
  writer.int16(0);
  writer.array_size(names.size(), false);
  for (const auto& name : names) writer.string(name, false);
  return Slice::copy_of(writer.unsealed());
}

class Runner {
 public:
  std::string run(const std::string& line) {
    out_.str("");
    const Command command(line);
    if (command.verb == "config") {
      config(command);
    } else if (command.verb == "join") {
      join(command);
    } else if (command.verb == "sync") {
      sync(command);
    } else if (command.verb == "heartbeat") {
      const auto instance = command.instance();
      const std::string member = command.text("member");
      say_error(group_->heartbeat({member, instance, command.number("gen", -1)}, now()));
    } else if (command.verb == "commit") {
      const auto instance = command.instance();
      const std::string member = command.text("member");
      say_error(group_->check_commit({member, instance, command.number("gen", -1)}, now()));
    } else if (command.verb == "leave") {
      leave(command);
    } else if (command.verb == "stored") {
      stored(command.name.empty() ? ErrorCode::none : error_of(command.name));
    } else if (command.verb == "restart") {
      group_ = std::make_unique<Group>("g", config_, durable_, now());
    } else if (command.verb == "pass") {
      pass(std::stod(command.name));
    } else if (command.verb == "refuse") {
      show(group_->refuse_waiting(error_of(command.name)));
    } else {
      throw std::runtime_error("no such command: " + line);
    }
    out_ << fmt::format("{} generation={} members={}\n", state_name(group_->state()),
                        group_->generation(), group_->size());
    return out_.str();
  }

 private:
  Now now() const { return {now_, 1'000'000 + (now_ - io::Instant{}) / io::milliseconds(1)}; }

  void config(const Command& command) {
    config_ = {};
    config_.initial_rebalance_delay_ms = command.number("initial_delay", 0);
    config_.max_members = command.number("max_members", 100);
    config_.max_member_bytes = command.number("max_member_bytes", config_.max_member_bytes);
    config_.max_group_bytes = command.number("max_bytes", config_.max_group_bytes);
    now_ = {};
    group_ = std::make_unique<Group>("g", config_);
  }

  void join(const Command& command) {
    kafka::JoinGroupRequest request;
    request.group_id = "g";
    request.member_id = command.text("member");
    request.group_instance_id = command.instance();
    request.protocol_type = command.text("type", "consumer");
    request.session_timeout_ms = command.number("session", 10'000);
    request.rebalance_timeout_ms = command.number("rebalance", 60'000);
    for (const auto& protocol : split(command.text("protocols", "range:t"), ',')) {
      const auto parts = split(protocol, ':');
      request.protocols.push_back({parts[0], subscription(parts.size() > 1 ? parts[1] : "t")});
    }
    if (const int32_t bytes = command.number("bytes", 0); bytes > 0) {
      request.protocols[0].metadata = Slice::take(std::vector<uint8_t>(bytes));
    }
    const Caller caller{"c", "/10.0.0.1", static_cast<int16_t>(command.number("version", 9))};
    show(group_->join(number_of(command.name), caller, request, command.name, now()));
  }

  void sync(const Command& command) {
    kafka::SyncGroupRequest request;
    request.group_id = "g";
    request.member_id = command.text("member");
    request.generation_id = command.number("gen", -1);
    request.group_instance_id = command.instance();
    request.protocol_type = "consumer";
    request.protocol_name = command.text("protocol", "range");
    for (const auto& assignment : split(command.text("assign"), ',')) {
      const auto parts = split(assignment, ':');
      request.assignments.push_back({parts[0], Slice::copy_of(parts.at(1))});
    }
    if (const int32_t bytes = command.number("bytes", 0); bytes > 0) {
      request.assignments[0].assignment = Slice::take(std::vector<uint8_t>(bytes));
    }
    show(group_->sync(number_of(command.name), request, now()));
  }

  void leave(const Command& command) {
    kafka::LeaveGroupRequest request;
    auto& member = request.members.emplace_back();
    member.member_id = command.text("member");
    member.group_instance_id = command.instance();
    auto [response, actions] = group_->leave(request, now());
    say_error(response.members.at(0).error_code);
    show(actions);
  }

  void stored(ErrorCode error) {
    if (!store_) throw std::runtime_error("nothing is being stored");
    if (error == ErrorCode::none) durable_ = store_->value;
    const uint64_t ticket = store_->ticket;
    store_.reset();
    show(group_->stored(ticket, error, now()));
  }

  void pass(double seconds) {
    const io::Instant end = now_ + io::milliseconds(static_cast<int64_t>(seconds * 1000));
    for (auto next = group_->next_deadline(); next && *next <= end;
         next = group_->next_deadline()) {
      now_ = std::max(now_, *next);
      show(group_->tick(now()));
    }
    now_ = end;
  }

  RequestId number_of(const std::string& name) {
    const RequestId id = ++last_request_;
    names_[id] = name;
    return id;
  }
  void say_error(ErrorCode error) { out_ << kafka::error_name(error) << "\n"; }

  void show(const GroupActions& actions) {
    for (const auto& [request, response] : actions.joins) {
      out_ << fmt::format("join {}: {} member={}", names_.at(request),
                          kafka::error_name(response.error_code), response.member_id);
      if (response.error_code == ErrorCode::none) {
        out_ << fmt::format(" generation={} protocol={} leader={}", response.generation_id,
                            response.protocol_name.value_or(""), response.leader);
        for (const auto& member : response.members) out_ << " +" << member.member_id;
        if (response.skip_assignment) out_ << " skip_assignment";
      }
      out_ << "\n";
    }
    for (const auto& [request, response] : actions.syncs) {
      out_ << fmt::format("sync {}: {}", names_.at(request),
                          kafka::error_name(response.error_code));
      if (response.error_code == ErrorCode::none) {
        out_ << " assignment=" << as_text(response.assignment);
      }
      out_ << "\n";
    }
    if (!actions.store) return;
    store_ = actions.store;
    out_ << fmt::format("store: generation={}", store_->value.generation);
    for (const auto& member : store_->value.members) {
      out_ << fmt::format(" {}:{}", member.member_id, as_text(member.assignment));
    }
    out_ << "\n";
  }

  GroupConfig config_;
  io::Instant now_{};
  std::unique_ptr<Group> group_;
  std::map<RequestId, std::string> names_;
  RequestId last_request_ = 0;
  std::optional<GroupActions::Store> store_;
  kafka::GroupMetadataValue durable_;
  std::ostringstream out_;
};

}  // namespace

std::string run_trace(const std::string& text) {
  Runner runner;
  std::string result;
  bool in_outcome = false;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty() || line.starts_with('#')) {
      in_outcome = false;
      result += line + "\n";
    } else if (line == "----") {
      in_outcome = true;
    } else if (!in_outcome) {
      result += line + "\n----\n" + runner.run(line);
    }
  }
  return result;
}

}  // namespace isthmus::broker
