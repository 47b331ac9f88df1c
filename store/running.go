package store

import "context"

// Running are the runs whose processes live, the newest first, with neither
// their counts nor their frozen texts.
func (s *Store) Running(ctx context.Context) ([]Summary, error) {
	open, err := s.list(ctx, "r.ended IS NULL", nil, 0)
	if err != nil {
		return nil, explain(s.path, "look for what runs", err)
	}
	var sums []Summary
	for _, m := range open {
		if m.State == StateRunning {
			m.Frozen = nil
			sums = append(sums, m)
		}
	}
	return sums, nil
}
