package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
)

// scenes are all of them, in the order of the matrix.
var scenes = slices.Concat(toldScenes, lostScenes, answerScenes, groupScenes, clientScenes, processScenes)

// sceneResult is what came of a scene.
type sceneResult struct {
	*scene
	err error
}

// bad tells whether it is not as the table says: it fails, or works though a fault is
// said to be pending.
func (r *sceneResult) bad() bool { return (r.err != nil) == (r.pending == "") }

func (r *sceneResult) String() string {
	switch {
	case r.err == nil && r.pending == "":
		return "passed"
	case r.err == nil:
		return "passed, though it is said to be pending: " + r.pending
	case r.pending != "":
		return "PENDING: " + r.pending
	}
	return "FAILED: " + r.err.Error()
}

// playAll plays the scenes whose row or name matches, a few at once.
func playAll(binary, folder, like string, large bool) ([]sceneResult, error) {
	form, err := regexp.Compile(like)
	if err != nil {
		return nil, fmt.Errorf("cannot read --scenes: %w", err)
	}
	var all []sceneResult
	for i := range scenes {
		if form.MatchString(scenes[i].row + " " + scenes[i].name) {
			all = append(all, sceneResult{scene: &scenes[i]})
		}
	}
	together(4, len(all), func(i int) {
		all[i].err = all[i].play(binary, filepath.Join(folder, fmt.Sprint("scene-", i)), large)
	})
	return all, nil
}
