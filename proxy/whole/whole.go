// Package whole puts small files in the place of others: whoever reads one, also behind a
// loss of power, finds the old one or the new one, and all of it.
//
// A log that grows has other needs, and what the tests of audit and leavers fail step by
// step has steps of its own there.
package whole

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes a text a file's, with mode 0600; it is durable when it returns. It writes
// beside it, in path.new, which nothing else may use. After an error the file may be the
// old one or the new one.
func Write(path string, text []byte) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh)
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
