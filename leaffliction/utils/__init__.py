"""What several steps share, and no more.  A line for each module:

A program
    cli             options of all programs, exit statuses, error lines
    errors          UserError: a problem that the user can solve
    console         print notes and errors on stderr
    progress        the progress bar
    interrupts      defer, record or obey Ctrl-C where raising it does damage
    parallel        call a function for many items, in threads or processes
    cores           how many processor cores this process may use

Images
    images          read, write and preprocess: the only place for each
    formats         open an image file with Pillow, by its content
    rgb             convert a Pillow image to an RGB array
    file_types      the kind of a file, by its first bytes

Data sets
    folders         find the images below a folder
    class_folders   read them as a Dataset: its folders name the classes
    class_names     the rule by which folders name classes
    copies          recognise augmented copies by their names
    labels          the Dataset; the names of the augmentations

Files
    storage/        paths on a disk or in an object store; raises OSError
    files           write a file completely or not at all; raises UserError
    overwrite       which existing files may be overwritten
    models_folder   the folder of the released models
    marks           the mark on images that the programs made
    path_hints      wildcards, and hints about paths that do not exist

Results
    figures         show or save figures of matplotlib
    tables          text tables, CSV files
"""
