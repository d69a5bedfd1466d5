// Command package builds what a release consists of: the zip that Azure Functions
// runs (the static binary for linux/amd64, host.json and the function folders at the
// root), its list of parts (SBOM), the digests of all, and, with -release, the
// templates with the package's address and digest filled in. Run it as scripts/package
// from the project's folder.
package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
)

// sbomTool lists the parts of a binary (CycloneDX, OWASP).
const sbomTool = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0"

func main() {
	out := flag.String("o", filepath.Join("dist", "sluice-functions.zip"), "the zip to write; the other files are put beside it")
	version := flag.String("version", "dev", "version that the binary reports")
	sbom := flag.Bool("sbom", true, "list the parts of the binary in sbom.cdx.json (fetches the tool once)")
	only := flag.String("connector", "", "connectors whose functions the package has, such as okta,wiz; default: all")
	release := flag.String("release", "", "address below which the release's files will be: fills it into copies of infra/")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: scripts/package [-o FILE] [-version V] [-connector NAMES] [-sbom=false] [-release URL]\nBuilds the package for Azure Functions, its list of parts, and digests of all.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := build(*out, *version, *only, *sbom, *release); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func build(out, version, only string, sbom bool, release string) error {
	functions, err := chosen(only)
	if err != nil {
		return err
	}
	dir := filepath.Dir(out)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	bin := filepath.Join(dir, "sluice-linux-amd64")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X github.com/sluice-connectors/sluice/handler/app.version="+version, "-o", bin, "./handler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	if err := pack(out, bin, functions); err != nil {
		return err
	}
	files := []string{out, bin}
	if sbom {
		path := filepath.Join(dir, "sbom.cdx.json")
		cmd := exec.Command("go", "run", sbomTool, "bin", "-json", "-noserial", "-std", "-version", "v"+version, "-output", path, bin)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("list of parts: %w: %s", err, text)
		}
		files = append(files, path)
	}
	sum, err := digests(filepath.Join(dir, "checksums.txt"), files)
	if err != nil {
		return err
	}
	if release != "" {
		if err := pin(filepath.Join(dir, "infra"), strings.TrimSuffix(release, "/")+"/"+filepath.Base(out), sum); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d functions, sha256 %s\n", out, len(functions), sum)
	return nil
}

// chosen are the files of the functions of connectors, of all for "", and the doctor's.
func chosen(only string) ([]string, error) {
	functions, err := filepath.Glob(filepath.Join("functions", "*", "function.json"))
	if err != nil || len(functions) == 0 {
		return nil, fmt.Errorf("there are no functions here: run this from the project's folder (%v)", err)
	}
	if only == "" {
		return functions, nil
	}
	functions = []string{filepath.Join("functions", "doctor", "function.json")}
	for _, name := range strings.Split(only, ",") {
		c, err := connectors.Find(strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("-connector: %w", err)
		}
		if path := filepath.Join("functions", c.FunctionName(), "function.json"); !slices.Contains(functions, path) {
			functions = append(functions, path)
		}
	}
	return functions, nil
}

// pack writes the zip.
func pack(out, bin string, functions []string) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
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

// digests writes the SHA-256 of files, as sha256sum does, and returns the first.
func digests(path string, files []string) (first string, err error) {
	var text strings.Builder
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
		sum := hex.EncodeToString(h.Sum(nil))
		if first == "" {
			first = sum
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, filepath.Base(name))
	}
	return first, os.WriteFile(path, []byte(text.String()), 0o644)
}

// pin copies infra/ with the package's address and digest as defaults.
func pin(to, uri, sum string) error {
	pinned := 0
	err := filepath.WalkDir("infra", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".json", ".bicep", ".kql", ".yaml"}, filepath.Ext(path)) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(data)
		for name, value := range map[string]string{"packageUri": uri, "packageSha256": sum} {
			text = strings.Replace(text, "param "+name+" string = ''", "param "+name+" string = '"+value+"'", 1)
			text = strings.Replace(text, "\""+name+"\": {\n\"type\": \"string\",\n\"defaultValue\": \"\"", "\""+name+"\": {\n\"type\": \"string\",\n\"defaultValue\": \""+value+"\"", 1)
		}
		if text != string(data) {
			pinned++
		}
		rel, err := filepath.Rel("infra", path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		return os.WriteFile(at, []byte(text), 0o644)
	})
	if err == nil && pinned < 4 {
		err = fmt.Errorf("only %d templates took the package's address", pinned)
	}
	return err
}
