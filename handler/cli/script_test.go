package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": func() { os.Exit(Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }})
}

// TestScripts runs testdata/script/*.txtar: the program as a person calls it,
// with a provider and a workspace on this machine.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			s := surround(t)
			env.Setenv("PROVIDER", s.provider.URL)
			env.Setenv("ENDPOINT", s.endpoint)
			for _, r := range s.ws.Rules() {
				for _, st := range r.Streams {
					env.Setenv("RULE_"+st.Table, r.ID)
				}
			}
			refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, `{"errorCode":"E0000011","errorSummary":"Invalid token provided","token":"`+strings.TrimPrefix(r.Header.Get("Authorization"), "SSWS ")+`"}`, http.StatusUnauthorized)
			}))
			env.Defer(refusing.Close)
			env.Setenv("REFUSING", refusing.URL)
			packages := httptest.NewServer(http.FileServer(http.Dir(env.WorkDir)))
			env.Defer(packages.Close)
			env.Setenv("PACKAGES", packages.URL)
			return nil
		},
	})
}
