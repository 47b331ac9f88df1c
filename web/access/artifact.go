package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// ErrNoArtifact is a file that is not there, or may not be had: who asks is not
// told which.
var ErrNoArtifact = errors.New("there is no such file")

// OpenArtifact opens the file name in the folder of one cycle, below root. Both
// are single names, without a way to anywhere: nothing outside of that folder can
// be reached, whatever they say and whatever links lie there. Only a regular file
// is opened. Whoever calls closes it. ErrNoArtifact.
func OpenArtifact(root, folder, name string) (*os.File, fs.FileInfo, error) {
	if !plainName(folder) || !plainName(name) {
		return nil, nil, ErrNoArtifact
	}
	all, err := os.OpenRoot(root)
	if err != nil {
		return nil, nil, noArtifact(err)
	}
	defer all.Close()
	if i, err := all.Lstat(folder); err != nil || !i.IsDir() { // no link, not even to another cycle
		return nil, nil, noArtifact(err)
	}
	one, err := all.OpenRoot(folder)
	if err != nil {
		return nil, nil, noArtifact(err)
	}
	defer one.Close()
	if i, err := one.Lstat(name); err != nil || !i.Mode().IsRegular() {
		return nil, nil, noArtifact(err)
	}
	// What Lstat saw may have been replaced since: a pipe must not hold us up, and
	// is no regular file.
	f, err := one.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, noArtifact(err)
	}
	i, err := f.Stat()
	if err != nil || !i.Mode().IsRegular() {
		_ = f.Close()
		return nil, nil, noArtifact(err)
	}
	return f, i, nil
}

func noArtifact(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return ErrNoArtifact
	}
	return fmt.Errorf("%w: %w", ErrNoArtifact, err)
}

// plainName is a name that the rig gives to cycles and files: letters, digits and
// "-_.", beginning with a letter or a digit. A percent sign is none of them: what
// is still encoded after net/http has decoded it was encoded twice.
func plainName(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return true
}

// artifactTypes are what a browser may show; everything else is saved. SVG and
// HTML are not among them: they can carry scripts.
var artifactTypes = map[string]string{
	".wav":  "audio/wav",
	".png":  "image/png",
	".txt":  "text/plain; charset=utf-8",
	".log":  "text/plain; charset=utf-8",
	".csv":  "text/csv; charset=utf-8",
	".json": "application/json",
	".har":  "application/json",
}

// ServeArtifact answers with a file of evidence: whole, or the range that was
// asked for. Its type goes by its name and the short list, and is never guessed;
// ?download=1 and what is not on the list is for saving, and nothing in it can
// act as a page of this origin.
func ServeArtifact(w http.ResponseWriter, r *http.Request, name string, modified time.Time, f io.ReadSeeker) {
	name = path.Base(name)
	kind, known := artifactTypes[strings.ToLower(path.Ext(name))]
	show := "inline"
	if !known {
		kind = "application/octet-stream"
	}
	if !known || r.URL.Query().Has("download") {
		show = "attachment"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(show, name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", ArtifactCSP)
	h.Set("Cache-Control", "private, no-store")
	http.ServeContent(w, r, "", modified, f)
}

// disposition quotes as RFC 6266 wants it; a name that cannot be said is left out.
func disposition(show, name string) string {
	if utf8.ValidString(name) {
		if s := mime.FormatMediaType(show, map[string]string{"filename": name}); s != "" {
			return s
		}
	}
	return show
}
