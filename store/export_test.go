package store

import "testing"

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
