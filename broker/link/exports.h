// Exports: the topics in which a way back keeps what is cut. Pure.
//
// <topic>.diverged.<epoch> is a name that a user may have taken: nothing is ever added to a topic
// that is not known to be the export itself. It is known by its id, which follows from what is
// exported; so an export that broke off is found again, whatever it is called.
#pragma once

#include <string>

#include "base/error.h"
#include "broker/image/image.h"

namespace isthmus::broker {

// `epoch`: of the last batch that is cut.
Uuid export_id(const Image& image, const Uuid& topic, LeaderEpoch epoch);

// What the export with that id is called, or will be: a spare name (spare_name.h) as above.
Result<std::string> export_name(const Image& image, const std::string& topic, LeaderEpoch epoch,
                                const Uuid& id);

}  // namespace isthmus::broker
