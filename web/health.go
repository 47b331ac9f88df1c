package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Health says that the process lives.
type Health struct {
	Alive bool `json:"alive"`
}

// Readiness says whether the rig can do its work. Its texts are for everybody:
// they name no bench and no file.
type Readiness struct {
	Ready  bool         `json:"ready"`
	Checks []ReadyCheck `json:"checks"`
}

// ReadyCheck is one thing that was looked at.
type ReadyCheck struct {
	Name string `json:"name"` // results, disk, benches, login
	OK   bool   `json:"ok"`
	Text string `json:"text,omitempty"` // what is wrong
}

const (
	readyPath   = "/readyz"
	readyApart  = time.Second // between two looks, however many ask
	readyWithin = 5 * time.Second
	// diskLeast is the free space below which a cycle's evidence may not fit any
	// more: some hundred cycles with their sound.
	diskLeast = 200 << 20
)

func (s *Server) apiHealth(*call) (any, error) { return Health{true}, nil }

// readiness keeps the last look for a moment: it is asked without a login.
type readiness struct {
	mu   sync.Mutex
	at   time.Time
	last Readiness
}

func (s *Server) serveReady(w http.ResponseWriter, c *call) error {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if s.ready.at.IsZero() || time.Since(s.ready.at) >= readyApart {
		s.ready.last = s.look(context.WithoutCancel(c.Context())) // it is for the next one too
		s.ready.at = time.Now()
	}
	status := http.StatusOK
	if !s.ready.last.Ready {
		status = http.StatusServiceUnavailable
	}
	s.writeJSON(w, c.Request, &route{status: status}, s.ready.last)
	return nil
}

func (s *Server) look(ctx context.Context) Readiness {
	ctx, done := context.WithTimeout(ctx, readyWithin)
	defer done()
	r := Readiness{Ready: true}
	check := func(name string, err error, wrong string) {
		one := ReadyCheck{Name: name, OK: err == nil && wrong == ""}
		switch {
		case err != nil:
			one.Text = "cannot be read; the rig's log says why"
			s.log("look at the "+name+" for "+readyPath, err)
		case wrong != "":
			one.Text = wrong
		}
		r.Ready = r.Ready && one.OK
		r.Checks = append(r.Checks, one)
	}
	if s.rig.Ledger != nil {
		_, err := s.rig.Ledger.Last(ctx)
		check("results", err, "")
	} else {
		check("results", nil, "there are none here")
	}
	if s.rig.State != "" {
		d, err := diskOf(s.rig.State)
		check("disk", err, d.wrong())
	}
	if s.rig.Benches != nil {
		all, err := s.rig.Benches.Benches(ctx)
		wrong := ""
		if len(all) == 0 {
			wrong = "no bench is loaded"
		}
		check("benches", err, wrong)
	} else {
		check("benches", nil, "there are none here")
	}
	if s.rig.Login != nil {
		check("login", s.rig.Login(), "")
	}
	return r
}

// disk is the file system of the results.
type disk struct {
	free, size uint64 // bytes; free for this program
	readOnly   bool
	writable   bool // this program may write into the folder
}

func diskOf(folder string) (disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return disk{}, err
	}
	each := uint64(st.Bsize) //nolint:unconvert // its type is another one on other processors
	return disk{
		free: st.Bavail * each, size: st.Blocks * each, readOnly: st.Flags&unix.ST_RDONLY != 0,
		writable: unix.Access(folder, unix.W_OK|unix.X_OK) == nil,
	}, nil
}

func (d disk) wrong() string {
	switch {
	case d.size == 0: // it could not be asked
		return ""
	case d.readOnly:
		return "the file system of the results is read-only"
	case !d.writable:
		return "the folder of the results cannot be written to"
	case d.free < diskLeast:
		return "less than 200 MB are free for the results"
	}
	return ""
}
