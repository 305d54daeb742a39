#include <stdlib.h>

#include "jpeg_handler.h"

// Progressive files may repeat the whole picture in every scan; those of cameras and editors have about ten.
enum { SCANS_MAX = 64 };

// Negative levels are warnings: the library would go on and fill what is missing with grey.
static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0) jpeg_on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg) {
    if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX) ERREXIT(jpeg, JERR_CANT_SUSPEND);
}

// Reads a 16-bit number of an Exif block in its byte order.
static unsigned number(const uint8_t *bytes, int is_little) {
    return is_little ? bytes[0] | bytes[1] << 8 : bytes[0] << 8 | bytes[1];
}

// The orientation, 1 to 8, that an APP1 segment tells (Exif 2.3, 4.5.4 and 4.6.4 A); 0 where it tells none.
static int exif_orientation(const uint8_t *bytes, size_t count) {
    static const uint8_t name[6] = {'E', 'x', 'i', 'f', 0, 0};
    if (count < 14 || memcmp(bytes, name, 6) != 0) return 0;
    const uint8_t *tiff = bytes + 6;
    size_t size = count - 6;
    int is_little = tiff[0] == 'I';
    // The directory's offset has four bytes; one that needs more than two lies outside any segment.
    if (number(tiff + (is_little ? 6 : 4), is_little) != 0) return 0;
    size_t at = number(tiff + (is_little ? 4 : 6), is_little);
    if (at + 2 > size) return 0;
    unsigned entries = number(tiff + at, is_little);
    for (at += 2; entries > 0 && at + 12 <= size; entries--, at += 12) {
        if (number(tiff + at, is_little) != 0x0112) continue;
        unsigned value = number(tiff + at + 8, is_little);
        return value >= 1 && value <= 8 ? (int)value : 0;
    }
    return 0;
}

static int orientation(const struct jpeg_decompress_struct *jpeg) {
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next) {
        int found = exif_orientation(marker->data, marker->data_length);
        if (found) return found;
    }
    return 1;
}

// Where a pixel of the file, at (x, y) of width x height, stands in the upright picture.
static size_t upright(int orientation, size_t x, size_t y, size_t width, size_t height) {
    switch (orientation) {
    case 2: return y * width + (width - 1 - x);
    case 3: return (height - 1 - y) * width + (width - 1 - x);
    case 4: return (height - 1 - y) * width + x;
    case 5: return x * height + y;
    case 6: return x * height + (height - 1 - y);
    case 7: return (width - 1 - x) * height + (height - 1 - y);
    case 8: return (width - 1 - x) * height + y;
    default: return y * width + x;
    }
}

// Writes a row of 1 (grey), 3 (RGB) or 4 (inverted CMYK, as Adobe's programs write it) components.
static void place(cimage_jpeg *out, const uint8_t *row, size_t y, size_t width, size_t height, int components, int turn) {
    for (size_t x = 0; x < width; x++) {
        const uint8_t *from = row + x * components;
        uint8_t *to = out->pixels + 3 * upright(turn, x, y, width, height);
        for (int i = 0; i < 3; i++)
            to[i] = components == 4 ? (from[i] * from[3] + 127) / 255 : from[components == 1 ? 0 : i];
    }
}

// Everything that may jump. What must be freed after a jump hangs off *out and *row, which the caller owns.
static cimage_status read_all(
    j_decompress_ptr jpeg, uint32_t max_side, uint64_t max_pixels, cimage_jpeg *out, uint8_t **row) {
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(jpeg, TRUE);
    size_t width = jpeg->image_width, height = jpeg->image_height;
    if (width > max_side || height > max_side || (uint64_t)width * height > max_pixels) return CIMAGE_TOO_LARGE;
    int is_cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space =
        is_cmyk ? JCS_CMYK : jpeg->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    // The slow transform is exact to the last bit but one, and the same everywhere.
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    int components = jpeg->output_components, turn = orientation(jpeg);
    if (components != 1 && components != 3 && components != 4) return CIMAGE_DAMAGED;
    *row = malloc(width * components);
    out->pixels = malloc(width * height * 3);
    if (!*row || !out->pixels) return CIMAGE_OUT_OF_MEMORY;
    out->width = (uint32_t)(turn >= 5 ? height : width);
    out->height = (uint32_t)(turn >= 5 ? width : height);
    while (jpeg->output_scanline < height) {
        size_t y = jpeg->output_scanline;
        if (jpeg_read_scanlines(jpeg, (JSAMPARRAY)row, 1) != 1) return CIMAGE_DAMAGED;
        place(out, *row, y, width, height, components, turn);
    }
    jpeg_finish_decompress(jpeg);
    return CIMAGE_OK;
}

// The jump is set in a frame of its own, so that no local of the caller can be lost by it.
static cimage_status read_guarded(
    jpeg_handler *h, j_decompress_ptr jpeg, const uint8_t *bytes, size_t byte_count, uint32_t max_side,
    uint64_t max_pixels, cimage_jpeg *out, uint8_t **row, struct jpeg_progress_mgr *progress) {
    if (setjmp(h->jump)) return h->status;
    jpeg_create_decompress(jpeg);
    jpeg->progress = progress;
    jpeg_mem_src(jpeg, bytes, byte_count);
    return read_all(jpeg, max_side, max_pixels, out, row);
}

cimage_status cimage_jpeg_read(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, uint64_t max_pixels, cimage_jpeg *out,
    char *message) {
    message[0] = 0;
    memset(out, 0, sizeof *out);
    if (byte_count < 3 || bytes[0] != 0xFF || bytes[1] != 0xD8 || bytes[2] != 0xFF) return CIMAGE_UNKNOWN_FORMAT;
    struct jpeg_decompress_struct jpeg;
    memset(&jpeg, 0, sizeof jpeg);
    jpeg_handler h = {.message = message};
    jpeg.err = jpeg_std_error(&h.manager);
    h.manager.error_exit = jpeg_on_error;
    h.manager.emit_message = on_message;
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    uint8_t *row = NULL;
    cimage_status status = read_guarded(&h, &jpeg, bytes, byte_count, max_side, max_pixels, out, &row, &progress);
    jpeg_destroy_decompress(&jpeg);
    free(row);
    if (status != CIMAGE_OK) {
        free(out->pixels);
        out->pixels = NULL;
    }
    return status;
}
