#include "kafka/topic_writer.h"

namespace isthmus::kafka {

WriterKind TopicWriter::kind() const {
  if (link() != nullptr) return WriterKind::link;
  if (is_aside()) return WriterKind::set_aside;
  if (nobody() == nullptr) return WriterKind::clients;
  return nobody()->stepped_down ? WriterKind::stepped_down : WriterKind::handed_over;
}

std::string to_string(const TopicWriter& writer) {
  switch (writer.kind()) {
    case WriterKind::clients: return "clients";
    case WriterKind::link: return "link " + writer.link()->name;
    case WriterKind::handed_over: return "nobody: handed over to the other site";
    case WriterKind::stepped_down: return "nobody: the other site has taken over";
    case WriterKind::set_aside: return "nobody: set aside";
  }
  return "clients";
}

}  // namespace isthmus::kafka
