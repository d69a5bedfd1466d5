package deploy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindSaysWhatElseThereIs(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Find(nil); err == nil || !strings.Contains(err.Error(), "https://aka.ms/azure-cli, or deploy with the button") {
		t.Error(err)
	}
}

// TestFilesAreGoneAfterwards: what holds secrets exists while az runs, for this user only.
func TestFilesAreGoneAfterwards(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var seen string
	err := withFiles([]byte("{}"), Options{Parameters: map[string]any{"p": "secret"}}, func(fill func([]string) []string) error {
		args := fill([]string{"x", templateFile, "@" + parametersFile})
		seen = strings.TrimPrefix(args[2], "@")
		info, err := os.Stat(seen)
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		if data, err := os.ReadFile(seen); err != nil || !strings.Contains(string(data), `"p":{"value":"secret"}`) {
			t.Errorf("%s %v", data, err)
		}
		return err
	})
	if err != nil || seen == "" {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReleased(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/checksums.txt":
			fmt.Fprint(w, "aa  sluice-linux-amd64\nbb  sluice-functions.zip\n")
		case "/v2/checksums.txt":
			fmt.Fprint(w, "<html>")
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	uri, sum, err := Released(t.Context(), srv.Client(), srv.URL+"/v1")
	if err != nil || uri != srv.URL+"/v1/sluice-functions.zip" || sum != "bb" {
		t.Error(uri, sum, err)
	}
	for _, v := range []string{"/v2", "/v3"} {
		if _, _, err := Released(t.Context(), srv.Client(), srv.URL+v); err == nil {
			t.Errorf("%s is taken", v)
		}
	}
}
