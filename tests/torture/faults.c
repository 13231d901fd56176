/* Copyright: (c) 2026, the restante.carbonio contributors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file layer that fails: preloaded into a process, it sees every call of the C library that changes a file below
 * one directory, whoever makes it (Python, SQLite, zstandard, ...). It counts these operations, ends the process at
 * one of them, lets them fail as a full or broken disk does, and records them for the replay of a power failure.
 *
 * What it does is said in a small file that all processes map (struct plan; layer.py writes it): so forked workers
 * count together. RESTANTE_FAULTS names that file. A kill takes the whole process group: call setsid first.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNCFS, LINK, RENAME, UNLINK, MKDIR, RMDIR, MARK };
enum mode { COUNT = 0, KILL_BEFORE, KILL_AFTER, KILL_TORN, FAIL_ONCE, FAIL_ON };

struct plan {
    uint64_t done;       /* operations so far */
    uint64_t at;         /* the one at which something happens, from 1; 0 for none */
    uint32_t mode;
    uint32_t kinds;      /* bits of the kinds that fail; 0 for all */
    int32_t error;       /* errno of a failure */
    uint32_t recording;
    char root[1024];     /* the directory, with a slash at its end */
    char record[1024];   /* where the recording goes */
    pthread_mutex_t mutex;
};

struct header {          /* of one operation in the recording; then path, other path and data */
    uint64_t inode;
    int64_t offset;
    uint32_t kind, path, other, data;
};

static struct plan *plan;
static int record = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int restante_attach(const char *file)
{
    int descriptor = REAL(open)(file, O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    void *memory = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory == MAP_FAILED)
        return -1;
    plan = memory;
    if (plan->recording)
        record = REAL(open)(plan->record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return 0;
}

/* Make the plan in a file that has room for it; the rest is written by whoever asked. */
int restante_prepare(const char *file)
{
    int descriptor = REAL(open)(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0 || REAL(ftruncate)(descriptor, sizeof(struct plan)))
        return -1;
    struct plan *made = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (made == MAP_FAILED)
        return -1;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&made->mutex, &attributes);
    munmap(made, sizeof(struct plan));
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("RESTANTE_FAULTS");
    if (file && *file)
        restante_attach(file);
}

/* Find out where a descriptor or a name leads to; 1 when that is below the root. */
static int path_of_descriptor(int descriptor, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, plan->root, strlen(plan->root)) == 0;
}

static int path_of_name(int directory, const char *name, char *path)
{
    char base[PATH_MAX] = "";
    if (name[0] != '/') {
        if (directory == AT_FDCWD) {
            if (!getcwd(base, sizeof base))
                return 0;
        } else
            path_of_descriptor(directory, base);
        strncat(base, "/", sizeof base - strlen(base) - 1);
    }
    snprintf(path, PATH_MAX, "%.*s%.*s", PATH_MAX / 2, base, PATH_MAX / 2 - 1, name);
    return strncmp(path, plan->root, strlen(plan->root)) == 0;
}

static uint64_t inode_of(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) ? 0 : status.st_ino;
}

static void note(enum kind kind, uint64_t inode, const char *path, const char *other, int64_t offset,
                 const void *data, size_t size)
{
    if (record < 0)
        return;
    struct header header = { inode, offset, kind, (uint32_t)strlen(path), (uint32_t)strlen(other), (uint32_t)size };
    struct iovec parts[] = {
        { &header, sizeof header }, { (void *)path, header.path }, { (void *)other, header.other },
        { (void *)data, size },
    };
    if (REAL(writev)(record, parts, 4) < 0)
        _exit(99);
}

static void die(void)
{
    kill(0, SIGKILL);
    pause();
}

/* Count an operation; the caller holds the mutex from here to finish(). Returns the errno it must fail with, or 0. */
static int start(enum kind kind)
{
    int error = 0;
    pthread_mutex_lock(&plan->mutex);
    plan->done++;
    int here = plan->done == plan->at, meant = !plan->kinds || plan->kinds & (1u << kind);
    if (here && plan->mode == KILL_BEFORE)
        die();
    if (meant && plan->at && ((here && plan->mode == FAIL_ONCE) || (plan->done >= plan->at && plan->mode == FAIL_ON)))
        error = plan->error;
    return error;
}

static void finish(void)
{
    int error = errno;
    if (plan->done == plan->at && (plan->mode == KILL_AFTER || plan->mode == KILL_TORN))
        die();
    pthread_mutex_unlock(&plan->mutex);
    errno = error;
}

static int torn(void)
{
    return plan->done == plan->at && plan->mode == KILL_TORN;
}

#define FAIL_IF(error) do { int wanted = (error); if (wanted) { finish(); errno = wanted; return -1; } } while (0)

/* -- opening ------------------------------------------------------------------------------------------------------ */

static int do_open(int directory, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int (*openat_)(int, const char *, int, ...) = real("openat64");
    if (!plan || !(flags & (O_CREAT | O_TRUNC)) || !path_of_name(directory, name, path))
        return openat_(directory, name, flags, mode);
    struct stat status;
    int present = fstatat(directory, name, &status, 0) == 0;
    if (present && !(flags & O_TRUNC))
        return openat_(directory, name, flags, mode);
    FAIL_IF(start(present ? TRUNCATE : CREATE));
    int descriptor = openat_(directory, name, flags, mode);
    if (descriptor >= 0)
        note(present ? TRUNCATE : CREATE, inode_of(descriptor), path, "", 0, "", 0);
    finish();
    return descriptor;
}

#define MODE_OF(flags) mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *name, int flags, ...) { MODE_OF(flags) return do_open(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE_OF(flags) return do_open(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE_OF(flags) return do_open(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE_OF(flags) return do_open(at, name, flags, mode); }
int creat(const char *name, mode_t mode) { return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* -- writing ------------------------------------------------------------------------------------------------------ */

static ssize_t do_write(int descriptor, const void *data, size_t size, int64_t offset, int positioned)
{
    char path[PATH_MAX];
    ssize_t (*write_)(int, const void *, size_t) = real("write");
    ssize_t (*pwrite_)(int, const void *, size_t, off64_t) = real("pwrite64");
    if (!plan || descriptor == record || !size || !path_of_descriptor(descriptor, path))
        return positioned ? pwrite_(descriptor, data, size, offset) : write_(descriptor, data, size);
    FAIL_IF(start(WRITE));
    if (!positioned) {
        struct stat status;
        int appends = fcntl(descriptor, F_GETFL) & O_APPEND;
        offset = appends && !fstat(descriptor, &status) ? status.st_size : lseek64(descriptor, 0, SEEK_CUR);
    }
    if (torn())
        size /= 2;
    ssize_t written = positioned ? pwrite_(descriptor, data, size, offset) : write_(descriptor, data, size);
    if (written > 0)
        note(WRITE, inode_of(descriptor), path, "", offset, data, written);
    finish();
    return written;
}

ssize_t write(int fd, const void *data, size_t size) { return do_write(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return do_write(fd, data, size, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return do_write(fd, data, size, offset, 1); }

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    char path[PATH_MAX];
    if (!plan || fd == record || !path_of_descriptor(fd, path))
        return REAL(writev)(fd, parts, count);
    for (int part = 0; part < count; part++)
        if (parts[part].iov_len)
            return do_write(fd, parts[part].iov_base, parts[part].iov_len, 0, 0);
    return 0;
}

/* Copying within the kernel is done by hand below the root, so that it is seen. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    char path[PATH_MAX];
    static __thread char buffer[65536];
    if (!plan || !path_of_descriptor(out, path))
        return REAL(sendfile64)(out, in, offset, count);
    if (count > sizeof buffer)
        count = sizeof buffer;
    ssize_t got = offset ? pread64(in, buffer, count, *offset) : read(in, buffer, count);
    if (got <= 0)
        return got;
    ssize_t written = do_write(out, buffer, got, 0, 0);
    if (written > 0 && offset)
        *offset += written;
    return written;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) { return sendfile64(out, in, offset, count); }

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t count, unsigned flags)
{
    char path[PATH_MAX];
    if (!plan || !path_of_descriptor(out, path))
        return REAL(copy_file_range)(in, in_at, out, out_at, count, flags);
    errno = ENOSYS;
    return -1;
}

static int do_truncate(int descriptor, off64_t size)
{
    char path[PATH_MAX];
    int (*ftruncate_)(int, off64_t) = real("ftruncate64");
    if (!plan || !path_of_descriptor(descriptor, path))
        return ftruncate_(descriptor, size);
    FAIL_IF(start(TRUNCATE));
    int result = ftruncate_(descriptor, size);
    if (!result)
        note(TRUNCATE, inode_of(descriptor), path, "", size, "", 0);
    finish();
    return result;
}
int ftruncate(int fd, off_t size) { return do_truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return do_truncate(fd, size); }

int truncate(const char *name, off_t size)
{
    int descriptor = do_open(AT_FDCWD, name, O_WRONLY, 0);
    if (descriptor < 0)
        return -1;
    int result = do_truncate(descriptor, size), error = errno;
    close(descriptor);
    errno = error;
    return result;
}
int truncate64(const char *name, off64_t size) { return truncate(name, size); }

/* SQLite allocates files ahead; that it cannot is something it copes with, and keeps writes visible here. */
int posix_fallocate64(int fd, off64_t offset, off64_t size)
{
    char path[PATH_MAX];
    int (*allocate)(int, off64_t, off64_t) = real("posix_fallocate64");
    return plan && path_of_descriptor(fd, path) ? EINVAL : allocate(fd, offset, size);
}

/* -- making durable ----------------------------------------------------------------------------------------------- */

static int do_sync(int descriptor, enum kind kind, int (*sync_)(int))
{
    char path[PATH_MAX] = "";
    if (!plan || !path_of_descriptor(descriptor, path)) {
        /* The root itself has no slash at its end. */
        size_t length = plan ? strlen(plan->root) - 1 : 0;
        if (!plan || strncmp(path, plan->root, length) || path[length])
            return sync_(descriptor);
    }
    FAIL_IF(start(kind));
    note(kind, inode_of(descriptor), path, "", 0, "", 0);
    finish();
    return 0;  /* a test needs no durable files, only to know which would be */
}
int fsync(int fd) { return do_sync(fd, SYNC, REAL(fsync)); }
int fdatasync(int fd) { return do_sync(fd, SYNC, REAL(fdatasync)); }
int syncfs(int fd) { return do_sync(fd, SYNCFS, REAL(syncfs)); }

/* -- names -------------------------------------------------------------------------------------------------------- */

static int do_names(enum kind kind, int at, const char *name, int other_at, const char *other, int flags)
{
    char path[PATH_MAX], second[PATH_MAX] = "";
    int (*linkat_)(int, const char *, int, const char *, int) = real("linkat");
    int (*renameat_)(int, const char *, int, const char *) = real("renameat");
    int inside = plan && path_of_name(at, name, path);
    inside = (plan && path_of_name(other_at, other, second)) || inside;
    if (inside)
        FAIL_IF(start(kind));
    int result = kind == LINK ? linkat_(at, name, other_at, other, flags) : renameat_(at, name, other_at, other);
    if (inside) {
        if (!result)
            note(kind, 0, path, second, 0, "", 0);
        finish();
    }
    return result;
}
int link(const char *a, const char *b) { return do_names(LINK, AT_FDCWD, a, AT_FDCWD, b, 0); }
int linkat(int a_at, const char *a, int b_at, const char *b, int flags) { return do_names(LINK, a_at, a, b_at, b, flags); }
int rename(const char *a, const char *b) { return do_names(RENAME, AT_FDCWD, a, AT_FDCWD, b, 0); }
int renameat(int a_at, const char *a, int b_at, const char *b) { return do_names(RENAME, a_at, a, b_at, b, 0); }

static int do_name(enum kind kind, int at, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    int (*mkdirat_)(int, const char *, mode_t) = real("mkdirat");
    int (*unlinkat_)(int, const char *, int) = real("unlinkat");
    int inside = plan && path_of_name(at, name, path);
    if (inside)
        FAIL_IF(start(kind));
    int result = kind == MKDIR ? mkdirat_(at, name, mode) : unlinkat_(at, name, kind == RMDIR ? AT_REMOVEDIR : 0);
    if (inside) {
        if (!result)
            note(kind, 0, path, "", 0, "", 0);
        finish();
    }
    return result;
}
int unlink(const char *name) { return do_name(UNLINK, AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return do_name(flags & AT_REMOVEDIR ? RMDIR : UNLINK, at, name, 0); }
int mkdir(const char *name, mode_t mode) { return do_name(MKDIR, AT_FDCWD, name, mode); }
int mkdirat(int at, const char *name, mode_t mode) { return do_name(MKDIR, at, name, mode); }
int rmdir(const char *name) { return do_name(RMDIR, AT_FDCWD, name, 0); }

/* -- waiting ------------------------------------------------------------------------------------------------------ */

/* Nobody is out there to wait for: pauses are short. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    struct timespec moment = { 0, 1000000 };
    return plan ? REAL(clock_nanosleep)(CLOCK_MONOTONIC, 0, &moment, NULL)
                : REAL(clock_nanosleep)(clock, flags, time, left);
}

/* -- what the program says ---------------------------------------------------------------------------------------- */

/* Put a word into the recording: what the program has told somebody by now. It is no operation. */
void restante_mark(const char *word)
{
    if (!plan)
        return;
    pthread_mutex_lock(&plan->mutex);
    note(MARK, 0, word, "", 0, "", 0);
    pthread_mutex_unlock(&plan->mutex);
}
