package store

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hour is the present in three clocks. The wall clock of a Pi jumps: it has none
// of its own, starts wherever the last shutdown left it, and is set when the
// network comes. The time since the boot does not jump, counts suspended time
// too, and means nothing in another boot.
type hour struct {
	wall  time.Time
	boot  string        // names this boot of the system; "" where the kernel does not say
	since time.Duration // the boot
}

// systemHour asks the system.
func systemHour() hour {
	h := hour{wall: time.Now()}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		h.boot = strings.TrimSpace(string(id))
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		h.boot = ""
	}
	h.since = time.Duration(ts.Nano())
	return h
}

// sinceBoot is t as a time since the boot: before the boot it is negative. A t
// that was read from the system's clock carries its monotonic time, so that a
// jump in between does not matter.
func (h hour) sinceBoot(t time.Time) time.Duration { return h.since - h.wall.Sub(t) }

// Refused notes, durably, that the DUT refused a login at that time. It keeps
// what is needed: the last few hundred of each DUT.
func (s *Store) Refused(dut string, at time.Time) error {
	const kept = 256
	ctx, now := context.Background(), s.hour()
	return s.transact(ctx, "note a refused login of "+dut, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO refusals (dut, at, boot, boot_ns) VALUES (?, ?, ?, ?)",
			dut, at.UnixNano(), now.boot, int64(now.sinceBoot(at))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM refusals WHERE dut = ?1 AND rowid <=
			(SELECT rowid FROM refusals WHERE dut = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)`, dut, kept)
		return err
	})
}

// RefusedSince counts the refused logins of the DUT that may be as young as
// that time. One is older only if every clock says so: the wall clock, and the
// time since the boot. Of one from an earlier boot it is certain only that it is
// older than this boot. So a clock that jumps, in either direction, can make
// the count larger and never smaller than it is.
func (s *Store) RefusedSince(dut string, since time.Time) (n int, err error) {
	now := s.hour()
	err = s.read.QueryRow(`SELECT count(*) FROM refusals WHERE dut = ?1 AND (at >= ?2
		OR boot = ?3 AND boot <> '' AND boot_ns >= ?4
		OR (boot <> ?3 OR boot = '') AND ?4 < 0)`, dut, since.UnixNano(), now.boot, int64(now.sinceBoot(since))).Scan(&n)
	return n, explain(s.path, "count the refused logins of "+dut, err)
}

// Clear forgets the refused logins of the DUT, as it does itself when it is
// reset or accepts one.
func (s *Store) Clear(dut string) error {
	ctx := context.Background()
	return s.transact(ctx, "clear the refused logins of "+dut, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM refusals WHERE dut = ?", dut)
		return err
	})
}
