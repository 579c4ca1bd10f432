"""What is measured: the codelab's data pipeline and models, a room for each station of the data's way.

garden -> photos -> images -> records -> batches -> models -> step -> training -> evaluation

garden      draws photographs of flowers by code, so that nothing needs to be downloaded
painting    one such photograph: plants in a scene, light, a lens, a JPEG
petals      the flowers themselves, as surfaces in space
backdrops   what is behind them
photos      a folder or bucket of JPEGs -> paths and classes
fetch       download of the real photographs
images      JPEG bytes -> image; fill and crop; augmentation
decodable   whether a photo can become an image, and why not
records     photos -> TFRecord shards, and back
plan        which photo goes into which shard
manifest    what a folder of records holds; split by shard
folders     files on a disk or in a bucket, written whole or not at all
pipelines   the ways of feeding by name
batches     their code, one short function each
models      the architectures, one family a file
costs       parameters, multiply-adds and activation bytes of a model
precision   float32, mixed_bfloat16, mixed_float16, and where each makes sense
devices     TPU, GPU, CPU -> where to build the model
schedules   learning rate by epoch
step        one training step and one prediction, exactly as Keras' fit and predict run them
features    what a frozen base makes of images, computed once
training    compile and fit; load, export
keeping     what is kept after each epoch, and where training stops
recipes     how the codelab trains each model
runs        the folder of a training
evaluation  accuracy, confusion, predictions
curves      a history as a picture
contact_sheet   pictures on a sheet
learning    the words train, evaluate, predict, export
progress    a progress bar with ETA
door        the front door of both command lines
errors      what the user gave cannot be used, said so that they can mend it
"""
