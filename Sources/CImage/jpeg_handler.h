#pragma once
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

// Behind <stdio.h>, which they need and do not include.
#include <jpeglib.h>
#include <jerror.h>

#include "cimage.h"

/// What libjpeg calls when something is wrong: the manager is the first member, so that its address is the handler's.
typedef struct {
    struct jpeg_error_mgr manager;
    jmp_buf jump;
    char *message;
    cimage_status status;
} jpeg_handler;

/// Keeps the library's words and jumps back.
static void jpeg_on_error(j_common_ptr jpeg) {
    jpeg_handler *h = (jpeg_handler *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    strncpy(h->message, text, CIMAGE_MESSAGE_BYTES - 1);
    h->message[CIMAGE_MESSAGE_BYTES - 1] = 0;
    h->status = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? CIMAGE_OUT_OF_MEMORY : CIMAGE_DAMAGED;
    longjmp(h->jump, 1);
}
