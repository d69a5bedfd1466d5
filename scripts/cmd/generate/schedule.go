package main

import (
	"fmt"
	"time"

	"github.com/sluice-connectors/sluice/handler/schedule"
)

// interval is the longest time between two runs of a schedule, in the week that
// follows a Monday.
func interval(expr string) time.Duration {
	s, err := schedule.Parse(expr)
	if err != nil {
		return 0 // a spec with such a schedule is not valid
	}
	var longest time.Duration
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	at := s.Next(start)
	for at.Before(start.AddDate(0, 0, 7)) {
		next := s.Next(at)
		longest = max(longest, next.Sub(at))
		at = next
	}
	return longest
}

// kqlTime is a duration as KQL writes it.
func kqlTime(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", (d+time.Minute-1)/time.Minute)
}
