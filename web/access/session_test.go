package access_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"resetrig/web/access"
)

func who(t *testing.T, addr, cookie string) answer {
	t.Helper()
	return ask(t, "GET", "http://"+addr+"/who", "", "Cookie", cookie)
}

func TestLogin(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	a := login(t, addr, p.operator)
	a.is(t, "login", http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != "/soak" {
		t.Errorf("goes to %q, want /soak", got)
	}
	if len(a.Cookies()) != 1 {
		t.Fatalf("got cookies %v", a.Cookies())
	}
	c := a.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
		t.Errorf("got cookie %v", c)
	}
	_, port, _ := strings.Cut(addr, ":")
	if c.Name != "resetrig-"+port {
		t.Errorf("the cookie is called %q: another rig on this host would overwrite it", c.Name)
	}
	if strings.Contains(fmt.Sprint(a.Header), p.operator) {
		t.Error("the token is in the answer")
	}
	if a := who(t, addr, c.Name+"="+c.Value); a.body != "otto operator 127.0.0.1" {
		t.Errorf("got %d %q", a.StatusCode, a.body)
	}
	if a := ask(t, "GET", "http://"+addr+"/login?next=/cycle/7", "", "Cookie", c.Name+"="+c.Value); a.Header.Get("Location") != "/cycle/7" {
		t.Errorf("the login, for who has one: got %s to %q", a.Status, a.Header.Get("Location"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	want := access.Entry{Who: access.Identity{Name: "otto", Role: access.Operator, Addr: "127.0.0.1"}, What: "login"}
	if len(p.told) != 1 || p.told[0] != want {
		t.Errorf("told %v, want %v", p.told, want)
	}
}

func TestLoginTakesTheFormAlone(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	form := url.Values{"token": {p.operator}}.Encode()
	for what, a := range map[string]answer{
		"the token in the address": ask(t, "POST", "http://"+addr+"/login?"+form, "", "Content-Type", "application/x-www-form-urlencoded"),
		"a form without its type":  ask(t, "POST", "http://"+addr+"/login", form, "Content-Type", "text/plain"),
		"JSON":                     ask(t, "POST", "http://"+addr+"/login", `{"token":"`+p.operator+`"}`, "Content-Type", "application/json"),
		"GET":                      ask(t, "GET", "http://"+addr+"/login?"+form, ""),
		"a token in a page's query": ask(t, "GET", "http://"+addr+"/x?access_token="+p.operator+"&"+form, "",
			"Accept", "application/json"),
	} {
		if len(a.Cookies()) != 0 || a.StatusCode == http.StatusSeeOther || strings.Contains(a.body, "otto") {
			t.Errorf("%s: got %s, cookies %v", what, a.Status, a.Cookies())
		}
	}
}

// TestRoleIsNotTaken: nothing that a client says changes who it is.
func TestRoleIsNotTaken(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	cookie := session(t, addr, p.viewer)
	name, _, _ := strings.Cut(cookie, "=")
	for what, header := range map[string][]string{
		"headers of proxies": {"X-Role", "operator", "X-Remote-User", "otto", "X-Forwarded-User", "otto", "Remote-User", "otto",
			"X-Forwarded-For", "10.0.0.1", "X-Real-IP", "10.0.0.1", "Forwarded", "for=10.0.0.1", "X-Resetrig-Role", "operator"},
		"more cookies":         {"Cookie", "role=operator; name=otto; resetrig=operator"},
		"a cookie of TLS":      {"Cookie", "__Host-" + name + "=x"},
		"method in a header":   {"X-HTTP-Method-Override", "DELETE"},
		"a field in the query": nil,
	} {
		a := ask(t, "GET", "http://"+addr+"/who?role=operator&name=otto", "", append(header, "Cookie", cookie)...)
		if a.body != "vera viewer 127.0.0.1" {
			t.Errorf("%s: got %d %q", what, a.StatusCode, a.body)
		}
		ask(t, "POST", "http://"+addr+"/x?role=operator", "role=operator", append(header, "Cookie", cookie)...).is(t, what+": POST", 403)
	}
	for what, header := range map[string][]string{
		"a wrong bearer beside a session": {"Authorization", "Bearer rrt_" + strings.Repeat("A", 26), "Cookie", cookie},
		"two bearers":                     {"Authorization", "Bearer " + p.viewer, "Authorization", "Bearer " + p.operator},
		"two in one":                      {"Authorization", "Bearer " + p.viewer + " " + p.operator},
		"a comma":                         {"Authorization", "Bearer " + p.viewer + ", Bearer " + p.operator},
		"Basic":                           {"Authorization", "Basic " + p.operator},
		"no kind":                         {"Authorization", p.operator},
		"two spaces":                      {"Authorization", "Bearer  " + p.operator},
		"an empty one":                    {"Authorization", "", "Cookie", cookie},
	} {
		ask(t, "GET", "http://"+addr+"/who", "", header...).is(t, what, http.StatusUnauthorized)
	}
	if a := ask(t, "GET", "http://"+addr+"/who", "", "Authorization", "bearer "+p.operator, "Cookie", cookie); a.body != "otto operator 127.0.0.1" {
		t.Errorf("a bearer beside a session: got %d %q", a.StatusCode, a.body)
	}
}

func TestViewerChangesNothing(t *testing.T) {
	p := withTokens(t)
	done := 0
	addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			done++
		}
	}))
	cookie := session(t, addr, p.viewer)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		for _, path := range []string{"/api/v1/stop", "/static/x", "/healthz", "/login/", "/loginx", "/logout/"} {
			ask(t, method, "http://"+addr+path, "", "Cookie", cookie).is(t, method+" "+path+" by session", 403)
			ask(t, method, "http://"+addr+path, "", "Authorization", "Bearer "+p.viewer).is(t, method+" "+path+" by bearer", 403)
			ask(t, method, "http://"+addr+path, "").is(t, method+" "+path+" by nobody", 401)
		}
	}
	if done != 0 {
		t.Errorf("%d of them came through", done)
	}
	ask(t, "POST", "http://"+addr+"/api/v1/stop", "", "Authorization", "Bearer "+p.operator).is(t, "an operator", 200)
	if done != 1 {
		t.Errorf("the operator's came through %d times", done)
	}
}

func TestNobodySeesThePublicAlone(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/static/app.js": 200, "/login": 200, "/login.css": 200,
		"/": 401, "/healthz/x": 401, "/healthzz": 401, "/static": 401, "/staticx/": 401, "/STATIC/x": 401, "/api/v1/state": 401,
		"/metrics": 401, "/events": 401, "/x/static/": 401, "/login/": 401,
	} {
		ask(t, "GET", "http://"+addr+path, "").is(t, path, want)
	}
	a := ask(t, "GET", "http://"+addr+"/cycle/7?x=%22%3E%3Cscript%3E", "", "Accept", "text/html,*/*")
	a.is(t, "a page", 401)
	if want := "0; url=/login?next=%2Fcycle%2F7%3Fx%3D%2522%253E%253Cscript%253E"; a.Header.Get("Refresh") != want {
		t.Errorf("it goes to %q, want %q", a.Header.Get("Refresh"), want)
	}
	if strings.Contains(a.body, "<script") {
		t.Errorf("the address is in the page as it is: %s", a.body)
	}
	for page, want := range map[string]string{
		"": "/login?next=%2F", "http://" + addr + "/runs/7?x=1": "/login?next=%2Fruns%2F7%3Fx%3D1", "https://attacker.example//x": "/login?next=%2F", "%": "/login?next=%2F",
	} {
		a = ask(t, "GET", "http://"+addr+"/part", "", "HX-Request", "true", "HX-Current-URL", page)
		if got := a.Header.Get("HX-Redirect"); got != want {
			t.Errorf("htmx on %q is sent to %q, want %q", page, got, want)
		}
	}
	a = ask(t, "GET", "http://"+addr+"/api/v1/x", "", "Accept", "text/html")
	if a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Refresh") != "" || !strings.HasPrefix(a.body, `{"error":`) {
		t.Errorf("a program gets %v %q", a.Header, a.body)
	}
}

func TestOpenRedirect(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	for next, want := range map[string]string{
		"/soak?run=a&x=1": "/soak?run=a&x=1", "/": "/", "": "/",
		"//attacker.example": "/", "///attacker.example": "/", `/\attacker.example`: "/", `\\attacker.example`: "/",
		"https://attacker.example/": "/", "/\t/attacker.example": "/", "/\n/attacker.example": "/", "javascript:alert(1)": "/",
		"/x/..//attacker.example": "/", "/%0d%0aX: y": "/", "/a b": "/", "/%5c/x": "/", "http:/x": "/", "attacker.example": "/", "/login": "/",
		"/logout": "/", "/" + strings.Repeat("x", 3000): "/",
	} {
		a := ask(t, "POST", "http://"+addr+"/login", url.Values{"token": {p.viewer}, "next": {next}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if got := a.Header.Get("Location"); got != want {
			t.Errorf("next %.40q: goes to %q, want %q", next, got, want)
		}
	}
}

func TestReplay(t *testing.T) {
	t.Run("after logout", func(t *testing.T) {
		p := withTokens(t)
		addr := p.serve(echo)
		old, other := session(t, addr, p.operator), session(t, addr, p.operator)
		a := ask(t, "POST", "http://"+addr+"/logout", "", "Cookie", old)
		a.is(t, "logout", http.StatusSeeOther)
		if c := a.Cookies(); len(c) != 1 || c[0].Value != "" || c[0].MaxAge >= 0 {
			t.Errorf("the cookie stays: %v", c)
		}
		who(t, addr, old).is(t, "the old cookie", 401)
		ask(t, "POST", "http://"+addr+"/x", "", "Cookie", old).is(t, "a POST with it", 401)
		who(t, addr, other).is(t, "the other session", 200)
	})
	t.Run("idle", func(t *testing.T) {
		p := withTokens(t)
		p.SessionIdle, p.SessionLife = time.Hour, 10*time.Hour
		addr := p.serve(echo)
		c := session(t, addr, p.operator)
		for range 3 {
			p.clock.advance(time.Hour - time.Second)
			who(t, addr, c).is(t, "used within the hour", 200)
		}
		p.clock.advance(time.Hour)
		who(t, addr, c).is(t, "an hour later", 401)
		who(t, addr, c).is(t, "once more", 401)
	})
	t.Run("its whole life", func(t *testing.T) {
		p := withTokens(t)
		p.SessionIdle, p.SessionLife = time.Hour, 90*time.Minute
		addr := p.serve(echo)
		c := session(t, addr, p.operator)
		p.clock.advance(50 * time.Minute)
		who(t, addr, c).is(t, "used", 200)
		p.clock.advance(40 * time.Minute)
		who(t, addr, c).is(t, "at its end", 401)
	})
	t.Run("of a removed token", func(t *testing.T) {
		p := withTokens(t)
		addr := p.serve(echo)
		otto, vera := session(t, addr, p.operator), session(t, addr, p.viewer)
		p.without("otto")
		who(t, addr, otto).is(t, "the session of a removed token", 401)
		who(t, addr, vera).is(t, "the other one's", 200)
		// A new token of that name is another token.
		p.add("otto", access.Operator)
		p.clock.advance(time.Second)
		who(t, addr, otto).is(t, "after a new token of that name", 401)
	})
	t.Run("of a token that is put back", func(t *testing.T) {
		p := withTokens(t)
		addr := p.serve(echo)
		otto := session(t, addr, p.operator)
		p.without("otto")
		who(t, addr, otto).is(t, "removed", 401)
		p.clock.advance(time.Minute)
		p.write(hashedLine("otto", "operator", p.operator))
		who(t, addr, otto).is(t, "put back", 401)
		session(t, addr, p.operator)
	})
	t.Run("of a token whose role is another", func(t *testing.T) {
		p := withTokens(t)
		addr := p.serve(echo)
		otto := session(t, addr, p.operator)
		p.write(hashedLine("otto", "viewer", p.operator))
		if a := who(t, addr, otto); a.body != "otto viewer 127.0.0.1" {
			t.Errorf("got %q", a.body)
		}
		ask(t, "POST", "http://"+addr+"/x", "", "Cookie", otto).is(t, "POST", 403)
	})
	t.Run("at another server", func(t *testing.T) {
		p := withTokens(t)
		c := session(t, p.serve(echo), p.operator)
		p.open(p.file) // it was started anew
		addr := p.serve(echo)
		_, port, _ := strings.Cut(addr, ":")
		_, value, _ := strings.Cut(c, "=")
		who(t, addr, "resetrig-"+port+"="+value).is(t, "after a restart", 401)
	})
}

func TestFixation(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	theirs := session(t, addr, p.viewer) // a session that somebody has put into the victim's browser
	name, value, _ := strings.Cut(theirs, "=")
	mine := session(t, addr, p.operator, "Cookie", theirs)
	if mine == theirs {
		t.Error("the login has kept the session that was there")
	}
	who(t, addr, theirs).is(t, "the session that was there", 401)

	made := name + "=" + strings.Repeat("A", 43) // one that the client has made up
	if got := session(t, addr, p.operator, "Cookie", made); got == made {
		t.Error("the login has taken the client's secret")
	}
	who(t, addr, made).is(t, "the client's own secret", 401)

	// One more cookie of the same name, as a page on another port can set it.
	who(t, addr, mine+"; "+name+"="+value).is(t, "two cookies", 401)
	who(t, addr, name+"="+value+"; "+mine).is(t, "two cookies", 401)
	if session(t, addr, p.operator) == session(t, addr, p.operator) {
		t.Error("two logins have one secret")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	p := withTokens(t)
	addr := p.serve(echo)
	vera := session(t, addr, p.viewer)
	first := session(t, addr, p.operator)
	second := session(t, addr, p.operator)
	p.clock.advance(time.Minute)
	who(t, addr, first).is(t, "the first", 200)
	for range 30 {
		p.clock.advance(time.Second)
		session(t, addr, p.operator)
	}
	who(t, addr, second).is(t, "the second of 32", 200) // and it was used just now
	p.clock.advance(time.Second)
	session(t, addr, p.operator)
	who(t, addr, first).is(t, "the one that was used longest ago", 401)
	who(t, addr, second).is(t, "the second", 200)
	who(t, addr, vera).is(t, "another token's", 200)
}

// TestStreamEndsWithItsLogin: what was opened with a login ends with it.
func TestStreamEndsWithItsLogin(t *testing.T) {
	for how, end := range map[string]func(p *place, addr, cookie string){
		"logout":        func(p *place, addr, cookie string) { ask(p.t, "POST", "http://"+addr+"/logout", "", "Cookie", cookie) },
		"removed token": func(p *place, _, _ string) { p.without("otto") },
		"another role":  func(p *place, _, _ string) { p.write(hashedLine("otto", "viewer", p.operator)) },
		"its life":      func(p *place, _, _ string) { p.clock.advance(8 * 24 * time.Hour) },
		"idle":          func(p *place, _, _ string) { p.clock.advance(13 * time.Hour) },
		"a broken file": func(p *place, _, _ string) { p.write("x") },
	} {
		t.Run(how, func(t *testing.T) {
			p := withTokens(t)
			begun, go_on, ended := make(chan bool), make(chan bool), make(chan error, 1)
			addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := access.NewStream(w, r)
				begun <- true
				<-go_on
				if err == nil {
					err = s.Beat()
				}
				ended <- err
			}))
			cookie := session(t, addr, p.operator)
			go func() {
				_, _ = tryAsk(client, "GET", "http://"+addr+"/events", "", "Cookie", cookie)
			}()
			within(t, "the stream", begun)
			end(p, addr, cookie)
			p.clock.advance(2 * time.Second)
			go_on <- true
			if err := within(t, "the stream's end", ended); err == nil || err.Error() != access.ErrEnded.Error() {
				t.Errorf("got %v, want %v", err, access.ErrEnded)
			}
		})
	}
	t.Run("a viewer's keeps it", func(t *testing.T) {
		p := withTokens(t)
		next, sent := make(chan bool), make(chan error)
		addr := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/events" {
				return
			}
			s, err := access.NewStream(w, r)
			for range next {
				if err == nil {
					err = s.Beat()
				}
				sent <- err
			}
		}))
		cookie := session(t, addr, p.viewer)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/events", nil)
		r.Header.Set("Cookie", cookie)
		go func() {
			if w, err := client.Do(r); err == nil {
				defer w.Body.Close()
				<-ctx.Done()
			}
		}()
		for range 10 {
			p.clock.advance(2 * time.Hour)
			next <- true
			if err := within(t, "an event", sent); err != nil {
				t.Fatalf("the wall's screen: %v", err)
			}
		}
		close(next)
		who(t, addr, cookie).is(t, "twenty hours later", 200)
	})
}

// TestPagesOfOthers: the dashboard draws the login and what is refused, where it
// may.
func TestPagesOfOthers(t *testing.T) {
	p := withTokens(t)
	p.LoginPage = func(w http.ResponseWriter, _ *http.Request, v access.LoginView) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "login to %s: %s", v.Next, v.Wrong)
	}
	p.Deny = func(w http.ResponseWriter, _ *http.Request, status int, _ string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "rig lab-3 says %d", status)
	}
	addr := p.serve(echo)
	a := ask(t, "GET", "http://"+addr+"/login?next=/runs", "")
	if a.is(t, "the login", 200); a.body != "login to /runs: " {
		t.Errorf("got %q", a.body)
	}
	login(t, addr, wrong()).is(t, "a wrong login", http.StatusUnauthorized)
	p.mu.Lock()
	if len(p.logs) != 0 {
		t.Errorf("logged %q", p.logs)
	}
	p.mu.Unlock()

	says := func(a answer) bool { return strings.Contains(a.body, "lab-3") }
	viewer := []string{"Authorization", "Bearer " + p.viewer}
	for what, c := range map[string]struct {
		answer
		status int
		says   bool
	}{
		"a viewer":                 {ask(t, "POST", "http://"+addr+"/x", "", viewer...), 403, true},
		"nobody":                   {ask(t, "POST", "http://"+addr+"/x", ""), 401, false},
		"a stranger's page":        {ask(t, "POST", "http://"+addr+"/x", "", append(viewer, "Origin", "null")...), 403, false},
		"a stranger's, at the API": {ask(t, "POST", "http://"+addr+"/api/x", "", append(viewer, "Origin", "null")...), 403, true},
		"a bad path":               {ask(t, "GET", "http://"+addr+"/x%00", "", viewer...), 400, false},
	} {
		if c.is(t, what, c.status); says(c.answer) != c.says {
			t.Errorf("%s gets %q", what, c.body)
		}
	}
	q := withoutTokens(t)
	q.Deny = p.Deny
	if a := ask(t, "GET", "http://"+q.serve(echo)+"/", "", "Host", "attacker.example", "Accept", "text/html"); a.StatusCode != http.StatusMisdirectedRequest || says(a) {
		t.Errorf("a rebound name gets %s %q", a.Status, a.body)
	}
}
