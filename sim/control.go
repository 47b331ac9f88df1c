package sim

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// control serves the control port; its protocol is in Server's comment.
func (s *Server) control(ctx context.Context, l net.Listener) {
	mux := http.NewServeMux()
	reply := func(rw http.ResponseWriter, status int, v any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = rw.Write(append(mustJSON(v), '\n'))
	}
	mux.HandleFunc("GET /state", func(rw http.ResponseWriter, r *http.Request) {
		s.catchUp(r.Context())
		reply(rw, 200, s.w.Truth())
	})
	mux.HandleFunc("GET /faults", func(rw http.ResponseWriter, r *http.Request) { reply(rw, 200, Faults()) })
	mux.HandleFunc("GET /quirks", func(rw http.ResponseWriter, r *http.Request) { reply(rw, 200, Quirks()) })
	command := func(path string, do func(r *http.Request) error) {
		mux.HandleFunc("POST "+path, func(rw http.ResponseWriter, r *http.Request) {
			s.catchUp(r.Context())
			if err := do(r); err != nil {
				reply(rw, 400, map[string]string{"error": err.Error()})
				return
			}
			reply(rw, 200, s.w.Truth())
		})
	}
	for _, relay := range wireNames[:network] {
		command("/"+relay, func(r *http.Request) error {
			on, err := strconv.ParseBool(r.FormValue("on"))
			if err != nil {
				return fmt.Errorf("%s: on=%q: want true or false", relay, r.FormValue("on"))
			}
			return s.w.Relays().Set(relay, on)
		})
	}
	command("/cycle", func(r *http.Request) error {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			return fmt.Errorf("cycle: n=%q: want a number", r.FormValue("n"))
		}
		s.w.BeginCycle(n)
		return nil
	})
	command("/act", func(*http.Request) error { s.w.BeginAct(); return nil })
	command("/repair", func(*http.Request) error { s.w.Repair(); return nil })

	srv := &http.Server{Handler: mux}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	s.wg.Go(func() {
		defer stop()
		_ = srv.Serve(l) // ends with the Server, by Close
	})
}
