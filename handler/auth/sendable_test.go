package auth

import (
	"net/http"
	"testing"
)

// TestACookieGoesBesideAnother, exactly as it is.
func TestACookieGoesBesideAnother(t *testing.T) {
	req, _ := http.NewRequest("GET", "https://x.example", nil)
	req.Header.Set("Cookie", "a=1")
	if err := setCookie(req, "b", `"2"`); err != nil || req.Header.Get("Cookie") != `a=1; b="2"` {
		t.Errorf("%s, %v", req.Header.Get("Cookie"), err)
	}
}
