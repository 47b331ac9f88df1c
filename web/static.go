package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// What pages are made of lies in the program: no page asks another address for
// anything.
//
//go:embed static
var staticFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// assetTypes are those of the files in static; what is not among them is not
// served.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

type asset struct {
	body []byte
	kind string
	etag string
}

// assets are the files of static by their path below it.
func assets() (map[string]asset, error) {
	all := map[string]asset{}
	err := fs.WalkDir(staticFiles, "static", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := staticFiles.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		all[strings.TrimPrefix(p, "static/")] = asset{b, assetTypes[path.Ext(p)], `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return all, err
}

// asset is GET /static/…. A file is asked for again with each page, and answered
// with its body only where it is another than the browser has.
func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.PathValue("file")]
	if !ok || a.kind == "" {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache")
	if strings.Contains(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.body) // a viewer who is gone needs none
}
