#include "broker/link/access_page.h"

#include <algorithm>
#include <set>

namespace isthmus::broker {

namespace {

kafka::ReadAccessResponse::AccessAcl told_of(const AclImage::Entry& entry) {
  const Acl& acl = entry.acl;
  return {acl.type,      acl.pattern,    acl.name,           acl.principal,          acl.host,
          acl.operation, acl.permission, entry.follows.link, entry.follows.made_here};
}

kafka::ReadAccessResponse::AccessUser told_of(const UserImage& user) {
  kafka::ReadAccessResponse::AccessUser out{
      user.name, user.follows.link, user.follows.made_here, {}};
  for (const auto& [mechanism, c] : user.credentials) {
    out.credentials.push_back({mechanism, c.iterations, Slice::copy_of(c.salt),
                               Slice::copy_of(c.stored_key), Slice::copy_of(c.server_key)});
  }
  return out;
}

kafka::ReadAccessResponse::AccessQuota told_of(const QuotaImage& quota) {
  kafka::ReadAccessResponse::AccessQuota out{quota.follows.link, quota.follows.made_here, {}, {}};
  kafka::for_each_part(quota.entity, [&out](std::string_view type, const std::string& name) {
    out.entity.push_back({std::string(type), name});
  });
  for (const auto& [name, value] : quota.values) out.values.push_back({name, value});
  return out;
}

int64_t changes_by(const Image& image, NodeId teller) {
  if (image.brokers.size() < 2) return image.access_changes;
  return (int64_t{teller} << 32) + image.access_changes;
}

// The entries from `first` to `end` of all lists, one behind the other.
class Page {
 public:
  Page(size_t first, size_t most) : first_(first), end_(first + most) {}
  template <typename Entry, typename List>
  void offer(const Entry& entry, List& list) {
    if (at_ >= first_ && at_ < end_) list.push_back(told_of(entry));
    ++at_;
  }
  int32_t next() const { return at_ > end_ ? static_cast<int32_t>(end_) : -1; }

 private:
  const size_t first_, end_;
  size_t at_ = 0;
};

}  // namespace

bool is_known(const Image& image, const kafka::ReadAccessRequest& asked, NodeId teller) {
  return asked.known_starts == image.starts.number &&
         asked.known_changes == changes_by(image, teller);
}

kafka::ReadAccessResponse page_of_access(const Image& image, const kafka::ReadAccessRequest& asked,
                                         const AccessTold& told, size_t most) {
  kafka::ReadAccessResponse response;
  response.starts = image.starts.number;
  response.changes = changes_by(image, told.teller);
  constexpr auto refused = kafka::ErrorCode::cluster_authorization_failed;
  if (!told.users) response.users_error = refused;
  if (!told.quotas) response.quotas_error = refused;
  std::set<std::string> writers;
  for (const auto& [name, topic] : image.topics) {
    if (const auto* link = topic->writer.link()) writers.insert(link->name);
  }
  response.writers.assign(writers.begin(), writers.end());
  response.unchanged = is_known(image, asked, told.teller);
  if (response.unchanged) return response;
  Page page(static_cast<size_t>(std::max(asked.first, 0)), most);
  for (const auto& [key, entry] : image.acls->entries) page.offer(entry, response.acls);
  if (told.users) {
    for (const auto& [name, user] : *image.users) {
      if (!told.is_super_user("User:" + name)) page.offer(user, response.users);
    }
  }
  if (told.quotas) {
    for (const auto& [key, quota] : image.quotas) page.offer(quota, response.quotas);
  }
  response.next = page.next();
  return response;
}

}  // namespace isthmus::broker
