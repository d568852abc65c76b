// Mirror: the role that copies between clusters. One Link for each that is configured, all on the
// main loop; it keeps nothing on disk, because each target's logs say where its links are.
#pragma once

#include <memory>

#include "io/env.h"
#include "process/mirror_config.h"
#include "process/role.h"

namespace isthmus::mirror {

std::unique_ptr<process::Role> make_mirror(io::Env& env, process::MirrorConfig config);

}  // namespace isthmus::mirror
