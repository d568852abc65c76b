// What the commands about links share: options, and a look at both ends. One loop, for as long as
// the command runs.
#pragma once

#include <memory>
#include <string>

#include "cli/sites.h"
#include "views/link_view.h"

namespace isthmus::cli {

using views::Lag;
using views::LinkView;

struct LinkOptions {
  Where where;
  std::string name;   // <source>-<target>
  std::string group;  // promote --group
  bool dry_run = false;
  bool force = false;
  bool yes = false;
  bool drained = false;     // promote --drained
  bool accept_gap = false;  // resume --accept-gap
  std::string partition;    // resume --partition
  bool set_aside = false;   // resume --set-aside
  std::string topic;        // resume --topic
};
using LinkOptionsPtr = std::shared_ptr<LinkOptions>;

void add_link_promote(Command group, LinkOptionsPtr options);
void add_link_reverse(Command group, LinkOptionsPtr options);
void add_link_pause(Command group, LinkOptionsPtr options);  // and resume
void add_link_forget(Command group, LinkOptionsPtr options);

// The target must answer; the source need not.
io::Task<Result<LinkView>> look_at_link(Sites& sites, std::string name);

}  // namespace isthmus::cli
