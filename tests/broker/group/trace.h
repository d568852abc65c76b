// Traces: what a group is told and what it answers, as a text that a person can check.
//
// A file is a list of steps, separated by empty lines; a step is one command, a line "----", and
// what came of it. With UPDATE_TRACES=1 in the environment the test writes the outcomes instead of
// comparing them: read the difference before you commit it.
//
//   config [initial_delay=ms] [max_members=n] [max_member_bytes=n] [max_bytes=n]
//             a new group, at second 0
//   join NAME [member=ID] [instance=I] [version=9] [protocols=range:topic+topic,roundrobin]
//             [type=consumer] [session=10000] [rebalance=60000] [bytes=n, of its metadata]
//   sync NAME member=ID gen=N [instance=I] [assign=ID:what,...] [protocol=range]
//             [bytes=n, of the first assignment]
//   heartbeat member=ID gen=N [instance=I]
//   leave [member=ID] [instance=I]
//   commit [member=ID] [gen=N] [instance=I]
//   stored [ERROR]          the latest value is durable, or could not be stored
//   restart                 a new coordinator loads the latest value that is durable
//   pass SECONDS            time goes by, with a tick at each deadline
//   refuse ERROR            the coordinator gives the group up
//
// NAME names a request that may wait; a member that has no id yet gets "c-NAME" ("I-NAME" if it is
// static). Requests that have waited are answered in the outcome of the step that ends the wait.
#pragma once

#include <string>

namespace isthmus::broker {

// The text of the trace with the outcomes of this run.
std::string run_trace(const std::string& text);

}  // namespace isthmus::broker
