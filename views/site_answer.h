// What one of our clusters says of itself, as views take it.
#pragma once

#include "kafka/gen/describe_site.h"

namespace isthmus::views {

using SiteAnswer = kafka::DescribeSiteResponse;

}  // namespace isthmus::views
