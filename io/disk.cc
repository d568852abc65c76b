#include "io/disk.h"
