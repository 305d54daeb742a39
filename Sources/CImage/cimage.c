#include "cimage.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// Bounds of what libpng may keep for ancillary chunks of a foreign file.
enum { CHUNKS_MAX = 128, CHUNK_BYTES_MAX = 8 << 20, TEXTS_MAX = 64 };

typedef struct {
    jmp_buf jump;
    char *message;
} handler;

static void on_error(png_structp png, png_const_charp text) {
    handler *h = png_get_error_ptr(png);
    strncpy(h->message, text, CIMAGE_MESSAGE_BYTES - 1);
    h->message[CIMAGE_MESSAGE_BYTES - 1] = 0;
    longjmp(h->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

// Writing ------------------------------------------------------------------------------------------------------------

typedef struct {
    uint8_t *bytes;
    size_t count;
    size_t room;
} sink;

static void append(png_structp png, png_bytep data, size_t count) {
    sink *s = png_get_io_ptr(png);
    if (count > s->room - s->count) {
        size_t room = s->room;
        while (count > room - s->count) {
            if (room > SIZE_MAX / 2) png_error(png, "the picture is too large");
            room *= 2;
        }
        uint8_t *bytes = realloc(s->bytes, room);
        if (!bytes) png_error(png, "out of memory");
        s->bytes = bytes;
        s->room = room;
    }
    memcpy(s->bytes + s->count, data, count);
    s->count += count;
}

static void flush(png_structp png) { (void)png; }

static void write_all(
    png_structp png, png_infop info, const uint8_t *rgb, uint32_t width, uint32_t height, png_text *texts,
    size_t text_count) {
    png_set_IHDR(
        png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    if (text_count) png_set_text(png, info, texts, (int)text_count);
    png_write_info(png, info);
    for (uint32_t row = 0; row < height; row++) png_write_row(png, rgb + (size_t)row * width * 3);
    png_write_end(png, info);
}

// The jump is set in a frame of its own, so that no local of the caller can be lost by it.
static cimage_status write_guarded(
    handler *h, png_structp png, png_infop info, const uint8_t *rgb, uint32_t width, uint32_t height,
    png_text *texts, size_t text_count) {
    if (setjmp(h->jump)) return CIMAGE_DAMAGED;
    write_all(png, info, rgb, width, height, texts, text_count);
    return CIMAGE_OK;
}

cimage_status cimage_png_write(
    const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts, size_t text_count,
    uint8_t **bytes, size_t *byte_count, char *message) {
    handler h = {.message = message};
    message[0] = 0;
    sink s = {.bytes = malloc(4096), .room = 4096};
    png_text *chunks = calloc(text_count ? text_count : 1, sizeof *chunks);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &h, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!s.bytes || !chunks || !info) {
        png_destroy_write_struct(&png, &info);
        free(chunks);
        free(s.bytes);
        return CIMAGE_OUT_OF_MEMORY;
    }
    for (size_t i = 0; i < text_count; i++) {
        chunks[i].compression = texts[i].is_latin ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        chunks[i].key = (char *)texts[i].keyword;
        chunks[i].text = (char *)texts[i].value;
        chunks[i].text_length = texts[i].is_latin ? strlen(texts[i].value) : 0;
        chunks[i].itxt_length = texts[i].is_latin ? 0 : strlen(texts[i].value);
        chunks[i].lang = (char *)"";
        chunks[i].lang_key = (char *)"";
    }
    png_set_write_fn(png, &s, append, flush);
    cimage_status status = write_guarded(&h, png, info, rgb, width, height, chunks, text_count);
    png_destroy_write_struct(&png, &info);
    free(chunks);
    if (status != CIMAGE_OK) {
        free(s.bytes);
        return status;
    }
    *bytes = s.bytes;
    *byte_count = s.count;
    return CIMAGE_OK;
}

// Reading ------------------------------------------------------------------------------------------------------------

typedef struct {
    const uint8_t *bytes;
    size_t count;
    size_t at;
} source;

static void take(png_structp png, png_bytep data, size_t count) {
    source *s = png_get_io_ptr(png);
    if (count > s->count - s->at) png_error(png, "it ends too early");
    memcpy(data, s->bytes + s->at, count);
    s->at += count;
}

// Reads the header and asks for 8 bits a channel. Returns the status that goes to the caller.
static cimage_status read_header(
    png_structp png, png_infop info, uint32_t max_side, uint64_t max_pixels, cimage_png *out) {
    png_set_user_limits(png, max_side, max_side);
    png_set_chunk_cache_max(png, CHUNKS_MAX);
    png_set_chunk_malloc_max(png, CHUNK_BYTES_MAX);
    png_read_info(png, info);
    out->width = png_get_image_width(png, info);
    out->height = png_get_image_height(png, info);
    if ((uint64_t)out->width * out->height > max_pixels) return CIMAGE_TOO_LARGE;
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    out->channels = png_get_channels(png, info);
    return CIMAGE_OK;
}

static char *copy(const char *text) {
    size_t count = strlen(text) + 1;
    char *result = malloc(count);
    if (result) memcpy(result, text, count);
    return result;
}

static cimage_status copy_texts(png_structp png, png_infop info, cimage_png *out) {
    png_textp texts = NULL;
    int count = 0;
    png_get_text(png, info, &texts, &count);
    if (count > TEXTS_MAX) count = TEXTS_MAX;
    if (count <= 0) return CIMAGE_OK;
    out->keywords = calloc((size_t)count, sizeof *out->keywords);
    out->values = calloc((size_t)count, sizeof *out->values);
    if (!out->keywords || !out->values) return CIMAGE_OUT_OF_MEMORY;
    for (int i = 0; i < count; i++) {
        char *keyword = copy(texts[i].key);
        char *value = copy(texts[i].text ? texts[i].text : "");
        if (!keyword || !value) {
            free(keyword);
            free(value);
            return CIMAGE_OUT_OF_MEMORY;
        }
        out->keywords[out->text_count] = keyword;
        out->values[out->text_count] = value;
        out->text_count++;
    }
    return CIMAGE_OK;
}

// Everything that may jump. What must be freed after a jump hangs off *out and *rows, which the caller owns.
static cimage_status read_all(
    png_structp png, png_infop info, uint32_t max_side, uint64_t max_pixels, cimage_png *out, png_bytep **rows) {
    cimage_status status = read_header(png, info, max_side, max_pixels, out);
    if (status != CIMAGE_OK) return status;
    size_t stride = (size_t)out->width * out->channels;
    if (png_get_rowbytes(png, info) != stride || out->channels < 1 || out->channels > 4) return CIMAGE_DAMAGED;
    out->pixels = malloc(stride * out->height);
    *rows = malloc(sizeof(png_bytep) * out->height);
    if (!out->pixels || !*rows) return CIMAGE_OUT_OF_MEMORY;
    for (uint32_t y = 0; y < out->height; y++) (*rows)[y] = out->pixels + stride * y;
    png_read_image(png, *rows);
    png_read_end(png, info);
    return copy_texts(png, info, out);
}

static cimage_status read_guarded(
    handler *h, png_structp png, png_infop info, uint32_t max_side, uint64_t max_pixels, cimage_png *out,
    png_bytep **rows) {
    if (setjmp(h->jump)) return CIMAGE_DAMAGED;
    return read_all(png, info, max_side, max_pixels, out, rows);
}

cimage_status cimage_png_read(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, uint64_t max_pixels, cimage_png *out,
    char *message) {
    memset(out, 0, sizeof *out);
    message[0] = 0;
    if (byte_count < 8 || png_sig_cmp(bytes, 0, 8)) return CIMAGE_UNKNOWN_FORMAT;
    // The header chunk comes first, at a fixed place: judge the size before libpng does, to name the reason.
    if (byte_count >= 24) {
        uint32_t width = png_get_uint_32(bytes + 16), height = png_get_uint_32(bytes + 20);
        if (width > max_side || height > max_side || (uint64_t)width * height > max_pixels) return CIMAGE_TOO_LARGE;
    }
    handler h = {.message = message};
    source s = {.bytes = bytes, .count = byte_count};
    png_bytep *rows = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &h, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, &info, NULL);
        return CIMAGE_OUT_OF_MEMORY;
    }
    png_set_read_fn(png, &s, take);
    cimage_status status = read_guarded(&h, png, info, max_side, max_pixels, out, &rows);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    if (status != CIMAGE_OK) cimage_png_free(out);
    return status;
}

void cimage_png_free(cimage_png *png) {
    for (size_t i = 0; i < png->text_count; i++) {
        free(png->keywords[i]);
        free(png->values[i]);
    }
    free(png->keywords);
    free(png->values);
    free(png->pixels);
    memset(png, 0, sizeof *png);
}

void cimage_free(void *memory) { free(memory); }
