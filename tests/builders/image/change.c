/* Changes the first layer of the test image: the next layer gets a whiteout, links, a copy of a
 * file that became a hard link, and a directory whose lower contents are hidden. The program is
 * static, since the image has no libraries. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_file(const char *path) {
  int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file < 0)
    return -1;
  for (int line = 0; line < 100000; line++)
    dprintf(file, "line %d of %s\n", line, path);
  return close(file);
}

int main(void) {
  int failed = unlink("/data/removed") || link("/data/text", "/data/hard-link") ||
               symlink("text", "/data/symbolic-link") || unlink("/data/replaced/old") ||
               rmdir("/data/replaced") || mkdir("/data/replaced", 0700) ||
               write_file("/data/replaced/new");
  if (failed)
    perror("change");
  return failed != 0;
}
