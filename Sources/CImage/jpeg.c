#include <stdlib.h>

#include "jpeg_handler.h"

// Longest text of one comment segment (ITU-T T.81, B.2.4.5): its length, two bytes included, has 16 bits.
enum { COMMENT_BYTES_MAX = 65533 };

static void on_message(j_common_ptr jpeg) { (void)jpeg; }

// Where the file grows. jpeg_mem_dest would lose its buffer where there is no memory for a larger one.
typedef struct {
    struct jpeg_destination_mgr manager;
    uint8_t *bytes;
    size_t room;
} sink;

static void begin(j_compress_ptr jpeg) {
    sink *s = (sink *)jpeg->dest;
    s->manager.next_output_byte = s->bytes;
    s->manager.free_in_buffer = s->room;
}

// Called when all of the buffer is used.
static boolean grow(j_compress_ptr jpeg) {
    sink *s = (sink *)jpeg->dest;
    size_t used = s->room;
    uint8_t *bytes = used <= SIZE_MAX / 2 ? realloc(s->bytes, used * 2) : NULL;
    if (!bytes) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    s->bytes = bytes;
    s->room = used * 2;
    s->manager.next_output_byte = bytes + used;
    s->manager.free_in_buffer = s->room - used;
    return TRUE;
}

static void end(j_compress_ptr jpeg) { (void)jpeg; }

static void write_all(
    j_compress_ptr jpeg, const uint8_t *rgb, uint32_t width, uint32_t height, int quality, const uint8_t *comment,
    size_t comment_count) {
    jpeg->image_width = width;
    jpeg->image_height = height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->optimize_coding = TRUE;
    if (quality >= 90) {
        // Whoever asks for the best quality wants sharp colours, too.
        jpeg->comp_info[0].h_samp_factor = 1;
        jpeg->comp_info[0].v_samp_factor = 1;
    }
    jpeg_start_compress(jpeg, TRUE);
    for (size_t at = 0; at < comment_count; at += COMMENT_BYTES_MAX) {
        size_t left = comment_count - at;
        jpeg_write_marker(
            jpeg, JPEG_COM, comment + at, (unsigned)(left < COMMENT_BYTES_MAX ? left : COMMENT_BYTES_MAX));
    }
    while (jpeg->next_scanline < height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)jpeg->next_scanline * width * 3);
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

// The jump is set in a frame of its own, so that no local of the caller can be lost by it.
static cimage_status write_guarded(
    jpeg_handler *h, j_compress_ptr jpeg, sink *s, const uint8_t *rgb, uint32_t width, uint32_t height, int quality,
    const uint8_t *comment, size_t comment_count) {
    if (setjmp(h->jump)) return h->status;
    jpeg_create_compress(jpeg);
    jpeg->dest = &s->manager;
    write_all(jpeg, rgb, width, height, quality, comment, comment_count);
    return CIMAGE_OK;
}

cimage_status cimage_jpeg_write(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, const uint8_t *comment, size_t comment_count,
    uint8_t **bytes, size_t *byte_count, char *message) {
    struct jpeg_compress_struct jpeg;
    memset(&jpeg, 0, sizeof jpeg);
    jpeg_handler h = {.message = message};
    message[0] = 0;
    jpeg.err = jpeg_std_error(&h.manager);
    h.manager.error_exit = jpeg_on_error;
    h.manager.output_message = on_message;
    sink s = {.bytes = malloc(4096), .room = 4096};
    if (!s.bytes) return CIMAGE_OUT_OF_MEMORY;
    s.manager.init_destination = begin;
    s.manager.empty_output_buffer = grow;
    s.manager.term_destination = end;
    cimage_status status = write_guarded(&h, &jpeg, &s, rgb, width, height, quality, comment, comment_count);
    jpeg_destroy_compress(&jpeg);
    if (status != CIMAGE_OK) {
        free(s.bytes);
        return status;
    }
    *bytes = s.bytes;
    *byte_count = s.room - s.manager.free_in_buffer;
    return CIMAGE_OK;
}
