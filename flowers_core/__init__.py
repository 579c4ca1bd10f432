"""What is measured: the codelab's data pipeline and models, a room for each station of the data's way.

garden -> photos -> images -> records -> batches -> models -> step

garden      draws photographs of flowers by code, so that nothing needs to be downloaded
photos      a folder or bucket of JPEGs -> paths and classes; download of the real set
images      JPEG bytes -> image; fill and crop; augmentation
records     photos -> TFRecord shards with a manifest, and back
batches     the input pipelines, one short function for each way of feeding
models      the architectures, one a file
costs       parameters, multiply-adds and activation bytes of a model
precision   float32, mixed_bfloat16, mixed_float16, and where each makes sense
devices     TPU, GPU, CPU -> where to build the model
schedules   learning rate by epoch
step        one training step and one prediction, exactly as Keras' fit and predict run them
training    compile and fit, evaluate, save, load
progress    a progress bar with ETA
errors      what the user gave cannot be used, said so that they can mend it
"""
