// Which of the images in a layout, and its description: indexes, manifests, configurations.
#include "fs/fakefs/image.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOBS    "blobs/sha256/"
#define REF_NAME "annotations.\"org.opencontainers.image.ref.name\""
#define CTR_NAME "annotations.\"io.containerd.image.name\""

enum { TEXT_MAX = 16 << 20, DEPTH_MAX = 4, LAYERS_MAX = 4096, LIST_MAX = 400 };

// --- Files ---------------------------------------------------------------------------------------

static int read_all(struct file *file, char **text, size_t *len)
{
    size_t room = 0;
    *text = NULL;
    *len = 0;
    for (;;) {
        if (room - *len < 4096) {
            room = room * 2 + 8192;
            char *grown = room > TEXT_MAX ? NULL : realloc(*text, room);
            if (!grown)
                return room > TEXT_MAX ? -LINUX_EFBIG : -LINUX_ENOMEM;
            *text = grown;
        }
        struct iter it;
        uint64_t pos = *len;
        iter_kernel(&it, *text + *len, room - *len - 1);
        ssize_t n = file_read(file, &it, &pos);
        if (n <= 0)
            return (int)n;
        *len += (size_t)n;
        (*text)[*len] = 0;
    }
}

int image_load(struct image *img, const char *path, const char *digest, char **text, size_t *len)
{
    struct file *file;
    int err = vfs_open(img->files, &img->files->root, path, LINUX_O_RDONLY, 0, 0, &file);
    *text = NULL;
    if (err)
        return import_fail(&img->im, err, "the image's %s: %s", path, errno_text(-err));
    err = read_all(file, text, len);
    file_put(file);
    if (!err && *len == 0)
        err = -LINUX_EINVAL;
    if (err)
        return import_fail(&img->im, err, "the image's %s cannot be read: %s", path,
                           errno_text(-err));
    char found[SHA256_HEX + 1];
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, *text, *len);
    sha256_end(&h, found);
    if (digest && strcmp(digest, found) != 0)
        return import_fail(&img->im, -LINUX_EBADMSG,
                           "the image's %s is not what its digest says: it is damaged", path);
    return 0;
}

static int load_json(struct image *img, const char *path, const char *digest, struct json *out)
{
    char *text;
    size_t len;
    int err = image_load(img, path, digest, &text, &len);
    *out = (struct json){NULL, NULL, NULL};
    if (!err) {
        err = json_open(out, text, len);
        if (err)
            import_fail(&img->im, err, "the image's %s is no JSON", path);
    }
    free(text);
    return err;
}

// "sha256:HEX" to HEX. `text` may be NULL.
static int take_digest(struct image *img, const char *text, char hex[SHA256_HEX + 1])
{
    static const char kind[] = "sha256:";
    const char *at = text ? text : "";
    if (strncmp(at, kind, strlen(kind)) != 0)
        return import_fail(&img->im, -LINUX_EINVAL,
                           "the image has a digest of an unknown kind: \"%.100s\"", at);
    at += strlen(kind);
    if (strlen(at) != SHA256_HEX || strspn(at, "0123456789abcdef") != SHA256_HEX)
        return import_fail(&img->im, -LINUX_EINVAL, "the image has a bad digest: \"%.100s\"", at);
    memcpy(hex, at, SHA256_HEX + 1);
    return 0;
}

static int load_blob(struct image *img, const char hex[SHA256_HEX + 1], struct json *out)
{
    char path[sizeof BLOBS + SHA256_HEX];
    snprintf(path, sizeof path, BLOBS "%s", hex);
    return load_json(img, path, hex, out);
}

// --- Which image ---------------------------------------------------------------------------------

// Is `name`, or what follows its last colon, the one asked for?
static bool is_named(const char *name, const char *wanted)
{
    const char *tag = name ? strrchr(name, ':') : NULL;
    return name && (strcmp(name, wanted) == 0 || (tag && strcmp(tag + 1, wanted) == 0));
}

static void append_to_list(char list[LIST_MAX], const char *text)
{
    size_t len = strlen(list);
    if (!strstr(list, text))
        snprintf(list + len, LIST_MAX - len, "%s%s", len ? ", " : "", text);
}

// One entry of an index, and how well it fits.
struct entry {
    char *digest, *os, *arch, *variant, *name, *full_name;
};

static void entry_load(struct json *j, unsigned i, struct entry *e)
{
    *e = (struct entry){
        .digest = json_get(j, "$.manifests[%u].digest", i),
        .os = json_get(j, "$.manifests[%u].platform.os", i),
        .arch = json_get(j, "$.manifests[%u].platform.architecture", i),
        .variant = json_get(j, "$.manifests[%u].platform.variant", i),
        .name = json_get(j, "$.manifests[%u]." REF_NAME, i),
        .full_name = json_get(j, "$.manifests[%u]." CTR_NAME, i),
    };
}

static void entry_free(const struct entry *e)
{
    char *const all[] = {e->digest, e->os, e->arch, e->variant, e->name, e->full_name};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

// 0: not for this machine. ARMv8 needs no variant named; later ones are less certain.
static unsigned entry_score(const struct entry *e)
{
    if (!e->os && !e->arch)
        return 2; // its configuration will say
    if (!e->os || !e->arch || strcmp(e->os, "linux") != 0 || strcmp(e->arch, "arm64") != 0)
        return 0;
    return !e->variant || strcmp(e->variant, "v8") == 0 ? 3 : 1;
}

struct choice {
    unsigned score;
    char *digest;
    bool several;                              // as good, and different
    bool named;                                // one had the name asked for
    char names[LIST_MAX], platforms[LIST_MAX]; // for the message
};

static void consider(struct choice *c, struct entry *e, bool top)
{
    unsigned score = entry_score(e);
    const char *name = e->full_name ? e->full_name : e->name;
    char platform[100];
    if (score == 0) {
        snprintf(platform, sizeof platform, "%.40s/%.40s", e->os ? e->os : "?",
                 e->arch ? e->arch : "?");
        append_to_list(c->platforms, platform);
        return;
    }
    append_to_list(c->names, name ? name : e->digest ? e->digest : "?");
    bool differs = c->digest && e->digest && strcmp(c->digest, e->digest) != 0;
    if (score > c->score) {
        char *old = c->digest;
        c->digest = e->digest;
        e->digest = old;
        c->score = score;
        c->several = false;
    } else if (score == c->score && top) {
        c->several |= differs; // further down, the first one counts
    }
}

static int choose_entry(struct image *img, struct json *index, bool top, char hex[SHA256_HEX + 1])
{
    const char *wanted = top ? img->im.job->image : NULL;
    struct choice c = {0};
    int err = 0;
    for (unsigned i = 0; i < json_count(index, "$.manifests"); i++) {
        struct entry e;
        entry_load(index, i, &e);
        if (!wanted || is_named(e.name, wanted) || is_named(e.full_name, wanted)) {
            c.named = true;
            consider(&c, &e, top);
        } else {
            append_to_list(c.names, e.full_name ? e.full_name : e.name ? e.name : "?");
        }
        entry_free(&e);
    }
    if (wanted && !c.named)
        err = import_fail(&img->im, -LINUX_ENOENT, "there is no image named %s; there is: %s",
                          wanted, c.names);
    else if (c.score == 0)
        err = import_fail(&img->im, -LINUX_ENOEXEC, "the image is not for linux/arm64, but for: %s",
                          c.platforms[0] ? c.platforms : "nothing");
    else if (c.several)
        err = import_fail(&img->im, -LINUX_EINVAL,
                          "there are several images, name one (--image): %s", c.names);
    else
        err = take_digest(img, c.digest, hex);
    free(c.digest);
    return err;
}

// --- Its parts -----------------------------------------------------------------------------------

static int make_layers(struct image *img, unsigned count)
{
    if (count > LAYERS_MAX)
        return import_fail(&img->im, -LINUX_EINVAL, "the image has %u layers", count);
    img->layers = calloc(count ? count : 1, sizeof *img->layers);
    if (!img->layers)
        return import_fail_errno(&img->im, -LINUX_ENOMEM, "import");
    img->layer_count = count;
    return 0;
}

static int take_config(struct image *img, struct json *config)
{
    char *os = json_get(config, "$.os"), *arch = json_get(config, "$.architecture");
    int err = 0;
    if (!os || !arch || strcmp(os, "linux") != 0 || strcmp(arch, "arm64") != 0)
        err = import_fail(&img->im, -LINUX_ENOEXEC,
                          "the image is not for linux/arm64, but for: "
                          "%.40s/%.40s",
                          os ? os : "?", arch ? arch : "?");
    free(os);
    free(arch);
    unsigned count = json_count(config, "$.rootfs.diff_ids");
    if (!err && count != img->layer_count)
        err = import_fail(&img->im, -LINUX_EINVAL,
                          "the image has %u layers, and a configuration for %u", img->layer_count,
                          count);
    for (unsigned i = 0; !err && i < count; i++) {
        char *id = json_get(config, "$.rootfs.diff_ids[%u]", i);
        err = take_digest(img, id, img->layers[i].diff_id);
        free(id);
    }
    if (!err)
        img->im.job->image_report = image_describe(config, count);
    return err;
}

static int load_config(struct image *img, const char *path, const char *digest)
{
    struct json config = {NULL, NULL, NULL};
    int err = image_load(img, path, digest, &img->config, &img->config_len);
    if (err)
        return err;
    err = json_open(&config, img->config, img->config_len);
    err = err ? import_fail(&img->im, err, "the image's %s is no JSON", path)
              : take_config(img, &config);
    json_close(&config);
    return err;
}

static int take_oci_layer(struct image *img, struct json *manifest, unsigned i)
{
    struct image_layer *layer = &img->layers[i];
    char *digest = json_get(manifest, "$.layers[%u].digest", i);
    char *type = json_get(manifest, "$.layers[%u].mediaType", i);
    const size_t size = sizeof BLOBS + SHA256_HEX;
    int err = take_digest(img, digest, layer->digest);
    if (!err && type && strstr(type, "encrypted"))
        err = import_fail(&img->im, -LINUX_EOPNOTSUPP, "layer %u of the image is encrypted", i + 1);
    layer->path = err ? NULL : malloc(size);
    if (layer->path)
        snprintf(layer->path, size, BLOBS "%s", layer->digest);
    else if (!err)
        err = import_fail_errno(&img->im, -LINUX_ENOMEM, "import");
    free(digest);
    free(type);
    return err;
}

static int take_manifest(struct image *img, struct json *manifest)
{
    char hex[SHA256_HEX + 1], path[sizeof BLOBS + SHA256_HEX];
    char *digest = json_get(manifest, "$.config.digest");
    char *type = json_get(manifest, "$.config.mediaType");
    int err = 0;
    if (type && !strstr(type, "image.config") && !strstr(type, "container.image"))
        err = import_fail(&img->im, -LINUX_EINVAL,
                          "this is no image of a root, but something of type %.100s", type);
    if (!err)
        err = take_digest(img, digest, hex);
    free(digest);
    free(type);
    if (!err)
        err = make_layers(img, json_count(manifest, "$.layers"));
    for (unsigned i = 0; !err && i < img->layer_count; i++)
        err = take_oci_layer(img, manifest, i);
    if (err)
        return err;
    snprintf(path, sizeof path, BLOBS "%s", hex);
    return load_config(img, path, hex);
}

static int choose_oci(struct image *img)
{
    char hex[SHA256_HEX + 1];
    struct json j;
    int err = load_json(img, "index.json", NULL, &j);
    for (unsigned depth = 0; !err; depth++) {
        if (depth > 0 && json_count(&j, "$.manifests") == 0)
            break; // a manifest
        err = depth == DEPTH_MAX
                  ? import_fail(&img->im, -LINUX_ELOOP, "the image's indexes are too deep")
                  : choose_entry(img, &j, depth == 0, hex);
        if (err)
            break;
        json_close(&j);
        err = load_blob(img, hex, &j);
    }
    if (!err)
        err = take_manifest(img, &j);
    json_close(&j);
    return err;
}

// --- `docker save` -------------------------------------------------------------------------------

// The number of the image in manifest.json.
static int choose_docker_entry(struct image *img, struct json *j, unsigned *out)
{
    const char *wanted = img->im.job->image;
    unsigned count = json_count(j, "$"), found = 0;
    char names[LIST_MAX] = "";
    for (unsigned i = 0; i < count; i++) {
        bool match = !wanted;
        for (unsigned k = 0; k < json_count(j, "$[%u].RepoTags", i); k++) {
            char *tag = json_get(j, "$[%u].RepoTags[%u]", i, k);
            append_to_list(names, tag ? tag : "?");
            match |= wanted && is_named(tag, wanted);
            free(tag);
        }
        if (match && found++ == 0)
            *out = i;
    }
    if (found == 1)
        return 0;
    return found == 0
               ? import_fail(&img->im, -LINUX_ENOENT, "there is no image named %s; there is: %s",
                             wanted ? wanted : "(any)", names)
               : import_fail(&img->im, -LINUX_EINVAL,
                             "there are several images, name one (--image): %s", names);
}

static int choose_docker(struct image *img)
{
    struct json j;
    unsigned at;
    int err = load_json(img, "manifest.json", NULL, &j);
    if (!err)
        err = choose_docker_entry(img, &j, &at);
    if (!err)
        err = make_layers(img, json_count(&j, "$[%u].Layers", at));
    for (unsigned i = 0; !err && i < img->layer_count; i++) {
        img->layers[i].path = json_get(&j, "$[%u].Layers[%u]", at, i);
        if (!img->layers[i].path)
            err = import_fail(&img->im, -LINUX_EINVAL, "layer %u of the image has no name", i + 1);
    }
    char *config = err ? NULL : json_get(&j, "$[%u].Config", at);
    if (!err)
        err = config ? load_config(img, config, NULL)
                     : import_fail(&img->im, -LINUX_EINVAL, "the image has no configuration");
    free(config);
    json_close(&j);
    return err;
}

int image_choose(struct image *img, enum image_kind kind)
{
    return kind == IMAGE_OCI ? choose_oci(img) : choose_docker(img);
}

// --- The report ----------------------------------------------------------------------------------

struct text {
    char *at;
    size_t len, room;
    bool failed;
};

static void say(struct text *t, const char *name, const char *value)
{
    const size_t need = strlen(name) + strlen(value) + 3;
    if (t->room - t->len < need) {
        char *grown = realloc(t->at, t->room * 2 + need);
        t->failed |= !grown;
        if (!grown)
            return;
        t->at = grown;
        t->room = t->room * 2 + need;
    }
    t->len += (size_t)snprintf(t->at + t->len, t->room - t->len, "%s %s\n", name, value);
}

// Text of an image is shown, so it must not steer a terminal.
static void say_value(struct text *t, const char *name, char *value)
{
    if (!value || !*value) {
        free(value);
        return;
    }
    for (char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    say(t, name, value);
    free(value);
}

char *image_describe(struct json *config, unsigned layers)
{
    char count[16];
    struct text t = {0};
    snprintf(count, sizeof count, "%u", layers);
    say(&t, "layers", count);
    say_value(&t, "entrypoint", json_get(config, "$.config.Entrypoint"));
    say_value(&t, "cmd", json_get(config, "$.config.Cmd"));
    for (unsigned i = 0; i < json_count(config, "$.config.Env"); i++)
        say_value(&t, "env", json_get(config, "$.config.Env[%u]", i));
    say_value(&t, "workdir", json_get(config, "$.config.WorkingDir"));
    say_value(&t, "user", json_get(config, "$.config.User"));
    if (t.failed) {
        free(t.at);
        return NULL;
    }
    return t.at;
}
