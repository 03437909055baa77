// A container image among files: which one, and what it consists of. Layer 3; private to image.c
// and image_choose.c.
#ifndef FS_FAKEFS_IMAGE_H
#define FS_FAKEFS_IMAGE_H

#include "fs/fakefs/import.h"
#include "fs/fakefs/json.h"
#include "fs/fakefs/sha256.h"

struct image_layer {
    char *path;                   // of the blob
    char digest[SHA256_HEX + 1];  // of the blob; "": not said
    char diff_id[SHA256_HEX + 1]; // of the archive that comes out of it
};

struct image {
    struct import im; // of the root being made
    const struct vfs_caller *files;
    char *config; // JSON
    size_t config_len;
    struct image_layer *layers; // from the lowest on
    unsigned layer_count;
    uint64_t read; // bytes of blobs
};

// --- fs/fakefs/image_choose.c --------------------------------------------------------------------
// Finds the image for this machine, checks what describes it, and fills in config and layers.
NODISCARD int image_choose(struct image *img, enum image_kind kind);
// The text of a file, to be freed; `digest`: what it must have, or NULL.
NODISCARD int image_load(struct image *img, const char *path, const char *digest, char **text,
                         size_t *len);
// What the configuration says about running the image. NULL without memory.
char *image_describe(struct json *config, unsigned layers);

#endif
