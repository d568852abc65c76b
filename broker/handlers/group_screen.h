// Screen: what a request for groups may have. It takes out of the message what the sender is not
// authorized for, before the coordinator sees it, and puts that into the coordinator's answer as
// refused: a group that one may not see is answered the same whether there is one or not.
//
// One per request, on its connection's loop. A member's own requests (join, sync, heartbeat, leave)
// are about one group and refused whole; each other has its rules in group_screen.cc.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "broker/security/authorizer.h"
#include "kafka/errors.h"
#include "kafka/gen/delete_groups.h"
#include "kafka/gen/describe_groups.h"
#include "kafka/gen/list_groups.h"
#include "kafka/gen/offset_commit.h"
#include "kafka/gen/offset_delete.h"
#include "kafka/gen/offset_fetch.h"

namespace isthmus::broker {

template <typename Message>
class Screen {
 public:
  using Response = typename Message::Response;
  Screen(Rights rights, int16_t) : rights_(std::move(rights)) {}

  // The whole answer, where nothing is left to be asked.
  std::optional<Response> take_out(Message& message) {
    constexpr auto needed = kafka::need<Message>(AclOperation::read, ResourceType::group);
    if (rights_.may(needed, message.group_id)) return std::nullopt;
    Response refusal;
    refusal.error_code = kafka::ErrorCode::group_authorization_failed;
    return refusal;
  }
  void put_back(Response&) {}

 private:
  Rights rights_;
};

// What the other screens are made of.
template <typename Message>
class ScreenParts {
 public:
  using Response = typename Message::Response;
  ScreenParts(Rights rights, int16_t version) : rights_(std::move(rights)), version_(version) {}

 protected:
  const Rights rights_;
  const int16_t version_;
  Response refused_;
};

template <>
class Screen<kafka::OffsetCommitRequest> : ScreenParts<kafka::OffsetCommitRequest> {
 public:
  using ScreenParts::ScreenParts;
  std::optional<Response> take_out(kafka::OffsetCommitRequest& message);
  void put_back(Response& response);
};

template <>
class Screen<kafka::OffsetFetchRequest> : ScreenParts<kafka::OffsetFetchRequest> {
 public:
  using ScreenParts::ScreenParts;
  std::optional<Response> take_out(kafka::OffsetFetchRequest& message);
  void put_back(Response& response);

 private:
  using Topics = std::vector<Response::OffsetFetchResponseTopics>;
  std::vector<Topics> topics_;  // refused, of each group that is asked for
};

template <>
class Screen<kafka::DescribeGroupsRequest> : ScreenParts<kafka::DescribeGroupsRequest> {
 public:
  using ScreenParts::ScreenParts;
  std::optional<Response> take_out(kafka::DescribeGroupsRequest& message);
  void put_back(Response& response);

 private:
  bool operations_ = false;  // tell what is authorized (KIP-430)
};

template <>
class Screen<kafka::ListGroupsRequest> : ScreenParts<kafka::ListGroupsRequest> {
 public:
  using ScreenParts::ScreenParts;
  std::optional<Response> take_out(kafka::ListGroupsRequest&) { return std::nullopt; }
  void put_back(Response& response);
};

template <>
class Screen<kafka::DeleteGroupsRequest> : ScreenParts<kafka::DeleteGroupsRequest> {
 public:
  using ScreenParts::ScreenParts;
  std::optional<Response> take_out(kafka::DeleteGroupsRequest& message);
  void put_back(Response& response);
};

template <>
class Screen<kafka::OffsetDeleteRequest> : ScreenParts<kafka::OffsetDeleteRequest> {
 public:
  using ScreenParts::ScreenParts;
  std::optional<Response> take_out(kafka::OffsetDeleteRequest& message);
  void put_back(Response& response);
};

}  // namespace isthmus::broker
