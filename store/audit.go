package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// AuditEntry is one thing that somebody did, or tried, by way of the dashboard,
// the API or the command line.
type AuditEntry struct {
	Seq     int64     `json:"seq"`               // given by the log
	At      time.Time `json:"at"`                // wall time: a label
	Who     string    `json:"who"`               // the token's or the user's name
	Role    string    `json:"role,omitempty"`    // viewer, operator
	Address string    `json:"address,omitempty"` // from where
	Action  string    `json:"action"`            // start, hold, go-on, end, stop, emergency, release, acknowledge, comment, token, login-failed, …
	Bench   string    `json:"bench,omitempty"`
	Run     string    `json:"run,omitempty"`
	Cycle   string    `json:"cycle,omitempty"`
	Detail  string    `json:"detail,omitempty"` // of the request
	Result  string    `json:"result,omitempty"` // ok, or why not
}

// auditMost bounds each text of an entry: its words come from outside.
const auditMost = 4 << 10

// Audit adds an entry to the log and returns its number; it is on the disk when
// Audit returns nil, and is never changed. A text is cut after 4 kB, and made
// valid UTF-8: an entry is not refused for what somebody sent. It is carried
// out also when ctx is cancelled already.
func (s *Store) Audit(ctx context.Context, e AuditEntry) (seq int64, err error) {
	ctx = context.WithoutCancel(ctx)
	for _, t := range []*string{&e.Who, &e.Role, &e.Address, &e.Action, &e.Bench, &e.Run, &e.Cycle, &e.Detail, &e.Result} {
		*t = bounded(*t, auditMost)
	}
	err = s.transact(ctx, "note in the audit log", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO audit (at, who, role, address, action, bench, run, cycle, detail, result)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, stamp(e.At), e.Who, e.Role, e.Address, e.Action, e.Bench, e.Run, e.Cycle, e.Detail, e.Result)
		if err != nil {
			return err
		}
		seq, err = res.LastInsertId()
		return err
	})
	return seq, err
}

// bounded is text as valid UTF-8 of at most so many bytes.
func bounded(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// AuditFilter narrows the log; its zero value is everything, from the beginning.
type AuditFilter struct {
	AfterSeq int64  // entries after this number
	Run      string // exact
	Bench    string // exact
	Newest   bool   // newest first; oldest first otherwise
	Limit    int    // 0: no limit
}

// AuditLog are the entries that fit.
func (s *Store) AuditLog(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	es, err := s.auditLog(ctx, f)
	return es, explain(s.path, "read the audit log", err)
}

func (s *Store) auditLog(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	where, args := "seq > ?", []any{f.AfterSeq}
	if f.Run != "" {
		where, args = where+" AND run <> '' AND run = ?", append(args, f.Run)
	}
	if f.Bench != "" {
		where, args = where+" AND bench <> '' AND bench = ?", append(args, f.Bench)
	}
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	limit := f.Limit
	if limit <= 0 {
		limit = -1
	}
	rows, err := s.read.QueryContext(ctx, `SELECT seq, at, who, role, address, action, bench, run, cycle, detail, result
		FROM audit WHERE `+where+` ORDER BY seq `+order+` LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var es []AuditEntry
	for rows.Next() {
		var e AuditEntry
		var at string
		if err := rows.Scan(&e.Seq, &at, &e.Who, &e.Role, &e.Address, &e.Action, &e.Bench, &e.Run, &e.Cycle, &e.Detail, &e.Result); err != nil {
			return nil, err
		}
		if e.At, err = unstamp(at); err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	return es, rows.Err()
}

// CommentKind says what a comment is.
type CommentKind string

// The kinds of comments.
const (
	Remark       CommentKind = "comment"
	Acknowledged CommentKind = "acknowledged" // somebody has taken note of a rig error; its text may be empty
)

// CommentMost is the longest text of a comment, in bytes.
const CommentMost = 4 << 10

// Comment is what somebody said of a cycle. It is no part of the record.
type Comment struct {
	Seq   int64       `json:"seq"` // given by the store
	Cycle string      `json:"cycle"`
	At    time.Time   `json:"at"` // wall time: a label
	Who   string      `json:"who"`
	Kind  CommentKind `json:"kind"`
	Text  string      `json:"text,omitempty"`
}

// Comment adds a comment to a cycle, for good. ErrNotFound for an unknown
// cycle, ErrUnfit for a text that is too long, no UTF-8, or missing, or for an
// unknown kind. The record stays as it is.
func (s *Store) Comment(ctx context.Context, c Comment) error {
	return s.transact(ctx, "comment on cycle "+c.Cycle, func(tx *sql.Tx) error {
		if err := c.fit(); err != nil {
			return err
		}
		var one int
		if err := tx.QueryRowContext(ctx, "SELECT 1 FROM cycles WHERE id = ?", c.Cycle).Scan(&one); err != nil {
			return none(err)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO comments (cycle, at, who, kind, text) VALUES (?, ?, ?, ?, ?)",
			c.Cycle, stamp(c.At), bounded(c.Who, auditMost), string(c.Kind), c.Text)
		return err
	})
}

func (c Comment) fit() error {
	switch {
	case c.Kind != Remark && c.Kind != Acknowledged:
		return fmt.Errorf("%w: kind %q is neither %s nor %s", ErrUnfit, c.Kind, Remark, Acknowledged)
	case len(c.Text) > CommentMost:
		return fmt.Errorf("%w: its text has %d bytes, at most %d are kept", ErrUnfit, len(c.Text), CommentMost)
	case !utf8.ValidString(c.Text) || strings.ContainsRune(c.Text, 0):
		return fmt.Errorf("%w: its text is no UTF-8, or has a NUL in it", ErrUnfit)
	case c.Kind == Remark && strings.TrimSpace(c.Text) == "":
		return fmt.Errorf("%w: it has no text", ErrUnfit)
	}
	return nil
}

// Comments are those on the cycle of that ID, or on every cycle of the run of
// that ID, oldest first; "" is all of them.
func (s *Store) Comments(ctx context.Context, id string) ([]Comment, error) {
	cs, err := s.comments(ctx, id)
	return cs, explain(s.path, "read comments", err)
}

func (s *Store) comments(ctx context.Context, id string) ([]Comment, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT seq, cycle, at, who, kind, text FROM comments
		WHERE ?1 = '' OR cycle = ?1 OR cycle IN (SELECT c.id FROM runs r JOIN cycles c ON c.run = r.seq WHERE r.id = ?1) ORDER BY seq`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var cs []Comment
	for rows.Next() {
		var c Comment
		var at string
		if err := rows.Scan(&c.Seq, &c.Cycle, &at, &c.Who, &c.Kind, &c.Text); err != nil {
			return nil, err
		}
		if c.At, err = unstamp(at); err != nil {
			return nil, err
		}
		cs = append(cs, c)
	}
	return cs, rows.Err()
}
