// Command package builds the zip that Azure Functions runs: the static binary
// for linux/amd64, host.json and the function folders at the root, and its
// SHA-256 beside it. Run it as scripts/package from the project's folder.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func main() {
	out := flag.String("o", filepath.Join("dist", "sluice-functions.zip"), "the zip to write")
	version := flag.String("version", "dev", "version that the binary reports")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: scripts/package [-o FILE] [-version V]\nBuilds the package for Azure Functions.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := build(*out, *version); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func build(out, version string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "sluice-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	bin := filepath.Join(tmp, "sluice")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", bin, "./handler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	functions, err := filepath.Glob(filepath.Join("functions", "*", "function.json"))
	if err != nil || len(functions) == 0 {
		return fmt.Errorf("there are no functions here: run this from the project's folder (%v)", err)
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	z := zip.NewWriter(io.MultiWriter(f, sum))
	// The host sets the execute bit on some plans only; the zip has to carry it.
	if err := add(z, bin, "sluice", 0o755); err != nil {
		return err
	}
	if err := add(z, "host.json", "host.json", 0o644); err != nil {
		return err
	}
	for _, path := range functions {
		name := filepath.ToSlash(path[len("functions"+string(filepath.Separator)):])
		if err := add(z, path, name, 0o644); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	line := fmt.Sprintf("%x  %s\n", sum.Sum(nil), filepath.Base(out))
	if err := os.WriteFile(out+".sha256", []byte(line), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %d functions, sha256 %x\n", out, len(functions), sum.Sum(nil))
	return f.Close()
}

// add writes a file into the zip, always with the same time, so that equal
// sources make equal packages.
func add(z *zip.Writer, path, name string, mode os.FileMode) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(mode)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(w, in)
	}
	return err
}
