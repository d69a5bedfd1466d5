package nearest

import "testing"

func TestName(t *testing.T) {
	known := []string{"request", "records", "paging", "position", "table"}
	for in, want := range map[string]string{
		"rquest": "request", "Request": "request", "record": "records", "pageing": "paging", "zzz": "", "tabel": "table",
	} {
		if got := Name(in, known); got != want {
			t.Errorf("Name(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Hint("zzzzzz", known); got != "" {
		t.Errorf("Hint for a far name = %q", got)
	}
}
