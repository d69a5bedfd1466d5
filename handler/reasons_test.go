package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryReasonIsExplained: each code for a health row or a quarantined record that
// the source has is in the tables of engine/README.md, and the tables have no other.
func TestEveryReasonIsExplained(t *testing.T) {
	readme, err := os.ReadFile("engine/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(readme), "## Reasons of a run")
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\|").FindAllStringSubmatch(tables, -1) {
		for _, code := range regexp.MustCompile("`([a-z_0-9]+)`").FindAllStringSubmatch(row[1], -1) {
			explained[code[1]] = true
		}
	}
	var source strings.Builder
	for _, folder := range []string{"app", "cli", "engine", "rest", "answer", "auth", "decode", "logsingest", "logsquery", "dir", "azblob"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
			for _, code := range reasonsIn(string(text)) {
				if !explained[code] {
					t.Errorf("%s: the reason %q is not in engine/README.md", file, code)
				}
			}
		}
	}
	for code := range explained {
		if !strings.HasPrefix(code, "rejected_") && !strings.Contains(source.String(), `"`+code+`"`) {
			t.Errorf("engine/README.md has the reason %q, which nothing gives", code)
		}
	}
}

var (
	givesReason = regexp.MustCompile(`[rR]eason|\b[fF]ail\(|itemError\{|^\s*return "|^\s*(const )?\w+ += "`)
	reasonCode  = regexp.MustCompile(`"([a-z]+(?:_[a-z]+)+)"`)
	reasonWord  = regexp.MustCompile(`(?:[rR]eason\b[^"]*|\b[fF]ail\(engine\.\w+, )"([a-z]+)"`)
	noReasons   = map[string]bool{"reason": true, "access_token": true, "api_token": true, "base_url": true}
)

// reasonsIn finds the codes in a source text by the words around them.
func reasonsIn(text string) (codes []string) {
	for line := range strings.Lines(text) {
		if !givesReason.MatchString(line) {
			continue
		}
		for _, m := range append(reasonCode.FindAllStringSubmatch(line, -1), reasonWord.FindAllStringSubmatch(line, -1)...) {
			if !noReasons[m[1]] {
				codes = append(codes, m[1])
			}
		}
	}
	return codes
}
