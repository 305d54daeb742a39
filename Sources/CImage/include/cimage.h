#ifndef CIMAGE_H
#define CIMAGE_H

#include <stddef.h>
#include <stdint.h>

// PNG in memory through libpng, and JPEG through libjpeg. Both report errors by longjmp, which must not cross Swift frames;
// every call here catches it and returns a code instead. Nothing here keeps state, reads files or prints.

/// Room for the libraries' own words about what is wrong.
enum { CIMAGE_MESSAGE_BYTES = 160 };

typedef enum {
    CIMAGE_OK = 0,
    CIMAGE_OUT_OF_MEMORY = 1,
    CIMAGE_UNKNOWN_FORMAT = 2,
    CIMAGE_DAMAGED = 3,
    CIMAGE_TOO_LARGE = 4,
} cimage_status;

/// One text chunk; strings end with a zero byte.
typedef struct {
    const char *keyword; // 1 to 79 printable Latin-1 characters
    const char *value;   // UTF-8
    int is_latin;        // written as tEXt (value is plain ASCII) instead of iTXt
} cimage_text;

/// Writes 8-bit RGB [height, width, 3].
///
/// *bytes becomes a malloc'ed buffer of *byte_count bytes that the caller frees with cimage_free.
cimage_status cimage_png_write(
    const uint8_t *rgb, uint32_t width, uint32_t height, const cimage_text *texts, size_t text_count,
    uint8_t **bytes, size_t *byte_count, char *message);

/// What a PNG holds, at 8 bits a channel.
typedef struct {
    uint32_t width;
    uint32_t height;
    uint32_t channels; // 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA
    uint8_t *pixels;   // [height, width, channels]; freed with cimage_png_free
    size_t text_count;
    char **keywords; // freed with cimage_png_free
    char **values;
} cimage_png;

/// Reads any PNG: palettes are expanded, low bit depths stretched to 8 bits, 16 bits cut to 8, interlacing undone.
///
/// Refuses pictures with a side above max_side or more than max_pixels pixels before anything is allocated for them.
/// On any status but CIMAGE_OK nothing needs to be freed.
cimage_status cimage_png_read(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, uint64_t max_pixels, cimage_png *png, char *message);

/// Writes 8-bit RGB [height, width, 3] as JPEG of a quality from 0 to 100, with a text as its comment.
///
/// *bytes becomes a malloc'ed buffer of *byte_count bytes that the caller frees with cimage_free.
cimage_status cimage_jpeg_write(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, const uint8_t *comment, size_t comment_count,
    uint8_t **bytes, size_t *byte_count, char *message);

/// What a JPEG holds.
typedef struct {
    uint32_t width;
    uint32_t height;
    uint8_t *pixels; // RGB [height, width, 3]; freed with cimage_free
} cimage_jpeg;

/// Reads a JPEG with 8 bits a sample, upright as its Exif orientation says; grey and CMYK become RGB.
///
/// Refuses pictures with a side above max_side or more than max_pixels pixels before anything is allocated for them, files
/// that end too early and those that repeat themselves in very many scans. On any status but CIMAGE_OK nothing needs to be
/// freed.
cimage_status cimage_jpeg_read(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, uint64_t max_pixels, cimage_jpeg *out, char *message);

void cimage_png_free(cimage_png *png);
void cimage_free(void *memory);

#endif
