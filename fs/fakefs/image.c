// The root a container image amounts to: its layers, one over the other, each checked against its
// digests while it is read.
#include "fs/fakefs/image.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// libarchive keeps an error number of the host beside the text, or this.
enum { BLOCK_SIZE = 64 * 1024, ERRNO_NONE = -1 };

// --- A layer's bytes -----------------------------------------------------------------------------

// From the file through `raw`, which decompresses, to the archive inside.
struct stream {
    struct image *img;
    struct file *file;
    uint64_t pos;
    struct archive *raw;
    struct sha256 blob, content;
    char what[40]; // in messages
    char block[BLOCK_SIZE];
};

static bool file_there(const struct vfs_caller *c, const char *name)
{
    struct path p;
    if (path_walk(c, &c->root, name, WALK_FOLLOW, &p))
        return false;
    bool is_file = path_inode(&p)->type == LINUX_S_IFREG;
    path_put(&p);
    return is_file;
}

enum image_kind image_kind_of(const struct vfs_caller *files)
{
    if (file_there(files, "oci-layout") && file_there(files, "index.json"))
        return IMAGE_OCI;
    struct import none = {.job = &(struct archive_job){.step = NULL}};
    struct image img = {.im = none, .files = files};
    struct json j = {NULL, NULL, NULL};
    enum image_kind kind = IMAGE_NONE;
    char *text = NULL;
    size_t len;
    if (file_there(files, "manifest.json") &&
        !image_load(&img, "manifest.json", NULL, &text, &len) && !json_open(&j, text, len) &&
        json_count(&j, "$[0].Layers") > 0)
        kind = IMAGE_DOCKER;
    json_close(&j);
    free(text);
    return kind;
}

static la_ssize_t read_blob(struct archive *a, void *ctx, const void **out)
{
    struct stream *s = ctx;
    struct iter it;
    uint64_t pos = s->pos;
    iter_kernel(&it, s->block, sizeof s->block);
    ssize_t n = file_read(s->file, &it, &pos);
    if (n < 0) {
        archive_set_error(a, ERRNO_NONE, "%s", errno_text((int)-n));
        return -1;
    }
    s->pos = pos;
    s->img->read += (uint64_t)n;
    sha256_add(&s->blob, s->block, (size_t)n);
    *out = s->block;
    return n;
}

// archive_read_data_block's answers are ours but for the end.
static la_ssize_t read_content(struct archive *a, void *ctx, const void **out)
{
    struct stream *s = ctx;
    size_t n = 0;
    la_int64_t offset;
    int rc = ARCHIVE_OK;
    while (n == 0 && rc == ARCHIVE_OK)
        rc = archive_read_data_block(s->raw, out, &n, &offset);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc != ARCHIVE_OK) {
        archive_set_error(a, ERRNO_NONE, "%s", archive_error_string(s->raw));
        return -1;
    }
    sha256_add(&s->content, *out, n);
    return (la_ssize_t)n;
}

// What the archive did not want: the digests are of all of it.
static int read_rest(struct stream *s, struct archive *tar)
{
    const void *block;
    la_ssize_t n;
    int err = 0;
    while (!err && (n = read_content(tar, s, &block)) > 0)
        err = import_step(&s->img->im);
    if (err || n < 0)
        return err ? err : -LINUX_EIO;
    while (!err && (n = read_blob(tar, s, &block)) > 0)
        err = import_step(&s->img->im);
    return err ? err : n < 0 ? -LINUX_EIO : 0;
}

static int open_stream(struct stream *s, struct archive *tar)
{
    struct archive_entry *e;
    archive_read_support_format_raw(s->raw);
    archive_read_support_format_empty(s->raw);
    archive_read_support_format_tar(tar);
    int rc = archive_read_open2(s->raw, s, NULL, read_blob, NULL, NULL);
    if (rc == ARCHIVE_OK)
        rc = archive_read_next_header(s->raw, &e);
    if (rc != ARCHIVE_OK && rc != ARCHIVE_EOF)
        return import_fail(&s->img->im, -LINUX_EIO, "%s cannot be read: %s", s->what,
                           archive_error_string(s->raw));
    if (archive_read_open2(tar, s, NULL, read_content, NULL, NULL) != ARCHIVE_OK)
        return import_fail(&s->img->im, -LINUX_EIO, "%s cannot be read: %s", s->what,
                           archive_error_string(tar));
    return 0;
}

// --- Layers --------------------------------------------------------------------------------------

static int check_digests(struct stream *s, const struct image_layer *layer)
{
    char blob[SHA256_HEX + 1], content[SHA256_HEX + 1];
    sha256_end(&s->blob, blob);
    sha256_end(&s->content, content);
    if ((layer->digest[0] && strcmp(blob, layer->digest) != 0) ||
        strcmp(content, layer->diff_id) != 0)
        return import_fail(&s->img->im, -LINUX_EBADMSG,
                           "%s is not what its digest says: it is damaged", s->what);
    return 0;
}

static int apply_stream(struct stream *s)
{
    struct import *im = &s->img->im;
    im->tar = import_reader();
    s->raw = import_reader();
    im->layer = layer_create();
    int err = im->tar && s->raw && im->layer ? open_stream(s, im->tar)
                                             : import_fail_errno(im, -LINUX_ENOMEM, "import");
    if (!err)
        err = import_entries(im);
    if (!err && read_rest(s, im->tar))
        err = import_fail(im, -LINUX_EIO, "%s cannot be read: %s", s->what,
                          archive_error_string(im->tar));
    layer_free(im->layer);
    im->layer = NULL;
    if (im->tar)
        archive_read_free(im->tar);
    if (s->raw)
        archive_read_free(s->raw);
    im->tar = NULL;
    return err;
}

static int apply_layer(struct image *img, unsigned i)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return import_fail_errno(&img->im, -LINUX_ENOMEM, "import");
    s->img = img;
    snprintf(s->what, sizeof s->what, "layer %u of the image", i + 1);
    img->im.what = s->what;
    sha256_init(&s->blob);
    sha256_init(&s->content);
    const char *path = img->layers[i].path;
    int err = vfs_open(img->files, &img->files->root, path, LINUX_O_RDONLY, 0, 0, &s->file);
    if (err) {
        import_fail(&img->im, err, "layer %u of the image (%s): %s", i + 1, path, errno_text(-err));
    } else {
        err = apply_stream(s);
        if (!err)
            err = check_digests(s, &img->layers[i]);
        file_put(s->file);
    }
    img->im.what = NULL;
    free(s);
    return err;
}

static void measure_layers(struct image *img)
{
    for (unsigned i = 0; i < img->layer_count; i++) {
        struct vfs_stat st;
        struct path p;
        if (path_walk(img->files, &img->files->root, img->layers[i].path, WALK_FOLLOW, &p))
            continue;
        if (!vfs_getattr(img->files, &p, &st))
            img->im.total += st.size;
        path_put(&p);
    }
}

static int store_config(struct image *img, const char *partial)
{
    int dir = host_open_dir_path(partial);
    int fd =
        dir < 0 ? dir
                : host_open(dir, "image.json", LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL, 0644);
    ssize_t n = fd < 0 ? fd : host_pwrite(fd, img->config, img->config_len, 0);
    host_close(fd);
    host_close(dir);
    if (n < 0 || (size_t)n < img->config_len)
        return import_fail_errno(&img->im, n < 0 ? (int)n : -LINUX_ENOSPC, "image.json");
    return 0;
}

static void image_free(struct image *img)
{
    for (unsigned i = 0; i < img->layer_count; i++)
        free(img->layers[i].path);
    free(img->layers);
    free(img->config);
}

int image_import(struct archive_job *job, const struct vfs_caller *files, const char *partial)
{
    struct image *img = calloc(1, sizeof *img);
    if (!img)
        return -LINUX_ENOMEM;
    img->im.job = job;
    img->im.position = &img->read;
    img->files = files;
    job->entries = 0;
    enum image_kind kind = image_kind_of(files);
    int err = image_choose(img, kind);
    if (!err) {
        measure_layers(img);
        err = import_begin(&img->im, partial);
    }
    if (!err) {
        for (unsigned i = 0; !err && i < img->layer_count; i++)
            err = apply_layer(img, i);
        err = import_end(&img->im, partial, err);
        if (!err)
            err = store_config(img, partial);
    }
    image_free(img);
    free(img);
    return err;
}
