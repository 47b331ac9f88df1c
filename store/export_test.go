package store

import (
	"testing"
	"time"
)

// Checksum lets a test write a record as a later version would.
var Checksum = checksum

// Pragma is a setting of the writing connection.
func Pragma(t *testing.T, s *Store, name string) (v string) {
	t.Helper()
	if err := s.write.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// FirstFormat is what a database of the first format is made of.
const FirstFormat = "PRAGMA application_id = 1381192786; PRAGMA user_version = 1;"

// Migration is the step from format i to the next.
func Migration(i int) string { return migrations[i] }

// SetHour replaces the system's clocks.
func SetHour(s *Store, wall time.Time, boot string, since time.Duration) {
	s.hour = func() hour { return hour{wall, boot, since} }
}
