#pragma once
#include "attention.h"
#include "dot.h"
#include "im2col.h"
#include "isa.h"
#include "vexp.h"
