package export

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scimgate/scimgate/proxy/audit"
)

// readPosition is the record behind which to go on; nil if there is no file, which is
// before the first export.
func readPosition(file string) (*audit.Checkpoint, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the position: %w", err)
	}
	at, err := audit.ParseCheckpoint(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s holds no position, SEQ:HASH", file) // which may be anything else, of any size
	}
	return &at, nil
}

// writePosition puts another position in the place of the old one; it is durable then.
func writePosition(file string, at audit.Checkpoint) error {
	fresh := file + ".new"
	err := writeSynced(fresh, at.String()+"\n")
	if err == nil {
		err = os.Rename(fresh, file)
	}
	if err == nil {
		err = syncDir(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("cannot write the position: %w", err)
	}
	return nil
}

func writeSynced(file, text string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
