package access

import "net/http"

// The content security policies.
const (
	// PageCSP is every page's. There is no inline script and no inline style, so
	// that text from a recorder which slips into a page does nothing there. (htmx:
	// set includeIndicatorStyles and allowEval to false.)
	PageCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; " +
		"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	// ArtifactCSP is for files that are evidence: they may be shown and do nothing.
	// The page that a browser makes around a picture or a sound has styles of its
	// own, and takes the file from here.
	ArtifactCSP = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
	// ReportCSP is for a whole HTML document of the rig's own making that carries
	// its scripts and styles with it: it runs in an origin of its own, from which
	// neither the dashboard nor any address can be reached.
	ReportCSP = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; media-src data:; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox allow-scripts"
)

// hsts is a week, and for this name alone: the header forbids plain HTTP on every
// port of the host, and another program on the rig may still need it.
const hsts = "max-age=604800"

// setHeaders are those of every answer; what stands behind may replace the first
// two for what is no page or no secret.
//
// Referrer-Policy is not no-referrer: under that one browsers say "Origin: null"
// with the forms of our own pages, and over plain HTTP to another host, where they
// send no Sec-Fetch-Site, nothing else tells those from a stranger's.
// COOP counts only where the browser trusts the connection; elsewhere it only
// puts an error into the console.
func setHeaders(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", PageCSP)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	host, _ := splitHost(r)
	if r.TLS != nil || loopbackName(host) {
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", hsts)
	}
}
