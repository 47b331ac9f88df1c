package access_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestCrossSitePage is what pages of others get, in browsers that say where a
// request comes from and in those that do not, with a login and without tokens.
func TestCrossSitePage(t *testing.T) {
	closed, open := withoutTokens(t), withTokens(t)
	for name, p := range map[string]*place{"without tokens": closed, "with a session": open} {
		t.Run(name, func(t *testing.T) {
			addr := p.serve(echo)
			var cookie []string
			if p == open {
				cookie = []string{"Cookie", session(t, addr, p.operator)}
			}
			own, other := "http://"+addr, "https://attacker.example"
			_, port, _ := strings.Cut(addr, ":")
			for _, c := range []struct {
				what   string
				method string
				header []string
				want   int
			}{
				{"our own form", "POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", own}, 200},
				{"our own form over plain HTTP", "POST", []string{"Origin", own}, 200},
				{"a program", "POST", nil, 200},
				{"typed by the user", "POST", []string{"Sec-Fetch-Site", "none"}, 200},
				{"a form of another site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", other}, 403},
				{"the same, over plain HTTP", "POST", []string{"Origin", other}, 403},
				{"a form in a sandboxed frame", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
				{"the same, over plain HTTP", "POST", []string{"Origin", "null"}, 403},
				{"another port of this host", "POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, 403},
				{"the same, over plain HTTP", "POST", []string{"Origin", "http://127.0.0.1:1"}, 403},
				{"our name inside another", "POST", []string{"Origin", "http://" + addr + ".attacker.example"}, 403},
				{"our address as a user's name", "POST", []string{"Origin", "http://" + addr + "@attacker.example"}, 403},
				{"DELETE of another site", "DELETE", []string{"Sec-Fetch-Site", "cross-site", "Origin", other}, 403},
				{"PUT of another site", "PUT", []string{"Sec-Fetch-Site", "cross-site"}, 403},
				{"a fetch without CORS", "POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Content-Type", "text/plain"}, 403},
				{"a word nobody knows", "POST", []string{"Sec-Fetch-Site", "cross-world"}, 403},
				{"one more header in capitals", "POST", []string{"SEC-FETCH-SITE", "cross-site"}, 403},

				{"a link", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
				{"a frame", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
				{"a picture", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
				{"a script", "GET", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 403},
				{"a stream", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Origin", other}, 403},
				{"a stream, over plain HTTP", "GET", []string{"Origin", other}, 403},
				{"our own stream", "GET", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, 200},
				{"a HEAD of another site", "HEAD", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
				{"localhost's page for 127.0.0.1", "GET", []string{"Origin", "http://localhost:" + port}, 403},
			} {
				a := ask(t, c.method, own+"/api/v1/state", "x=1", append(c.header, cookie...)...)
				a.is(t, c.what, c.want)
				for h := range a.Header {
					if strings.HasPrefix(h, "Access-Control-") {
						t.Errorf("%s: the answer has %s", c.what, h)
					}
				}
			}
		})
	}
}

// A stranger's page must not be able to log a browser in as somebody of theirs,
// nor out.
func TestCrossSiteLogin(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	login(t, addr, p.viewer, "Sec-Fetch-Site", "cross-site").is(t, "login from elsewhere", 403)
	login(t, addr, p.viewer, "Origin", "null").is(t, "login from elsewhere, old", 403)
	cookie := session(t, addr, p.viewer, "Origin", "http://"+addr)
	ask(t, "POST", "http://"+addr+"/logout", "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site").is(t, "logout from elsewhere", 403)
	ask(t, "GET", "http://"+addr+"/logout", "", "Cookie", cookie).is(t, "logout by a link", 405)
	ask(t, "GET", "http://"+addr+"/x", "", "Cookie", cookie).is(t, "still logged in", 200)
}

func TestMethods(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	cookie := session(t, addr, p.operator)
	for _, method := range []string{"OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "POSTX"} {
		c := raw(t, "127.0.0.1", addr, fmt.Sprintf("%s /x HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nAccess-Control-Request-Method: POST\r\nOrigin: https://attacker.example\r\n\r\n", method, addr, cookie))
		w := readAnswer(t, c)
		if w.StatusCode != http.StatusMethodNotAllowed && !(method == "CONNECT" && w.StatusCode == http.StatusBadRequest) {
			t.Errorf("%s: got %s", method, w.Status)
		}
		if w.Header.Get("Access-Control-Allow-Origin")+w.Header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: CORS is allowed: %v", method, w.Header)
		}
	}
	if a := ask(t, "HEAD", "http://"+addr+"/x", "", "Cookie", cookie); a.StatusCode != 200 || a.body != "" {
		t.Errorf("HEAD: got %s %q", a.Status, a.body)
	}
	ask(t, "HEAD", "http://"+addr+"/x", "").is(t, "HEAD by nobody", 401)
	// A path that its readers understand differently.
	for _, path := range []string{"/static/../x", "/static/%2e%2e/x", "//x", "/static/..%2fx", "/x%00", "/x%5c..", "/./x", "/x%0d%0aSet-Cookie:a=b"} {
		w := readAnswer(t, raw(t, "127.0.0.1", addr, "GET "+path+" HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
		if w.StatusCode != http.StatusBadRequest {
			t.Errorf("%s by nobody: got %s", path, w.Status)
		}
	}
}

func TestHeaders(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	cookie := session(t, addr, p.viewer)
	for what, a := range map[string]answer{
		"a page":         ask(t, "GET", "http://"+addr+"/x", "", "Cookie", cookie),
		"the login":      ask(t, "GET", "http://"+addr+"/login", ""),
		"a wrong login":  login(t, addr, "x"),
		"what is denied": ask(t, "POST", "http://"+addr+"/x", "", "Cookie", cookie),
		"a stranger":     ask(t, "GET", "http://"+addr+"/x", "", "Origin", "null"),
		"a bad path":     ask(t, "GET", "http://"+addr+"/x%00", ""),
	} {
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; " +
				"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Strict-Transport-Security": "",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", what, name, got, want)
			}
		}
	}
}
