// Package need is for tests that want something of the machine: a tool, root, a
// sound server. Without it they are skipped, unless the environment requires
// them; `make test` requires all.
package need

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Missing skips the test, or fails it where RESETRIG_REQUIRE, a list of words with
// commas or spaces between them, has that word or all.
func Missing(t testing.TB, word, why string) {
	t.Helper()
	required := strings.FieldsFunc(os.Getenv("RESETRIG_REQUIRE"), func(c rune) bool { return c == ',' || c == ' ' })
	for _, r := range []string{word, "all"} {
		if slices.Contains(required, r) {
			t.Fatalf("RESETRIG_REQUIRE=%s, and %s", r, why)
		}
	}
	t.Skip(why)
}

// Tool is the path of a program, also where it is not in a user's path.
func Tool(t testing.TB, word, name string) string {
	t.Helper()
	for _, n := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	Missing(t, word, "there is no "+name+"; tools/setup.sh test installs it")
	return ""
}

// Root is the right to mount.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root", "mounting a disk needs root")
	}
}
