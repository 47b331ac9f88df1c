package web

import (
	"net/http"
)

// Server is the dashboard of a rig, to be served behind package access.
type Server struct {
	rig    Rig
	stream *stream
	mux    *http.ServeMux
	log    func(doing string, err error)
	api
	drawn *pages
}

// New makes the dashboard. log is told what went wrong where no viewer can be
// told; it may be called from any goroutine.
func New(r Rig, log func(doing string, err error)) (*Server, error) {
	if r.Live == nil {
		r.Live = NewLive()
	}
	s := &Server{rig: r, stream: newStream(r.Live, r.Ledger, log), mux: http.NewServeMux(), log: log}
	s.mux.Handle("GET /events", s.stream)
	if err := s.addAPI(); err != nil {
		return nil, err
	}
	if err := s.pages(s.mux); err != nil {
		return nil, err
	}
	return s, nil
}

// ServeHTTP answers every page, stream, form and /api/v1.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Committed tells that this process has committed a record: viewers have it in
// a tenth of a second, and not only with the next look at the results. It does
// not wait.
func (s *Server) Committed() { s.stream.committed() }
